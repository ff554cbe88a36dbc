"""Which kernel computes attention (``torch.nn.attention``).

Source: https://docs.pytorch.org/docs/stable/nn.attention.html
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's kernels of ``scaled_dot_product_attention``."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False
) -> Iterator[None]:
    """Asks for one of several kernels, all of which compute the same.

    A graph says what is computed; the backend that it is compiled for chooses how. So any choice is
    taken that has a kernel with PyTorch on the CPU, and none changes a result.

    Raises:
        AssertionError: for what is no ``SDPBackend`` nor a list of them.
        RuntimeError: if no kernel is left.
    """
    listed = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(listed, list | tuple) or not all(isinstance(b, SDPBackend) for b in listed):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{backends!r}"
        )
    if not {SDPBackend.MATH, SDPBackend.FLASH_ATTENTION} & set(listed):
        raise RuntimeError(f"No available kernel. Aborting execution: {backends!r} leaves none")
    yield

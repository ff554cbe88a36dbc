"""cuDNN, as PyTorch's code asks for it (``torch.backends.cudnn``): it is not used.

``benchmark``, ``deterministic``, ``enabled`` and ``allow_tf32`` may be set and change nothing.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from nngraph.backends.switches import changed

# fmt: off
__all__ = [
    "allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags",
    "is_acceptable", "is_available", "version",
]
# fmt: on

enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def version() -> int | None:
    """None."""
    return None


def is_acceptable(tensor: object) -> bool:
    """False, for any tensor."""
    return False


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int | None = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:
    """The switches have these values inside."""
    return changed(
        sys.modules[__name__],
        enabled=enabled,
        benchmark=benchmark,
        benchmark_limit=benchmark_limit,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
    )

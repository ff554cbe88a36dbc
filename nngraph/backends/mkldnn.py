"""oneDNN, as PyTorch's code asks for it (``torch.backends.mkldnn``): it is not used."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from nngraph.backends.switches import changed

# fmt: off
__all__ = [
    "allow_tf32", "deterministic", "enabled", "flags", "is_available",
]
# fmt: on

enabled = True
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: the installed backend has kernels of its own."""
    return False


def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:
    """The switches have these values inside."""
    return changed(
        sys.modules[__name__], enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32
    )

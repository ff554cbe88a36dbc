"""Host arrays as kernels want them: C-contiguous and aligned to 64 bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nngraph.ir.op import Array

__all__ = ["ALIGNMENT", "aligned_copy", "aligned_empty", "is_aligned"]

ALIGNMENT = 64  # bytes: a cache line, and what vector loads of compiled kernels assume


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An uninitialised C-contiguous array whose data starts at a multiple of 64 bytes."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    out: Array = raw[start : start + size].view(dtype).reshape(shape)
    return out


def is_aligned(array: Array) -> bool:
    """True if kernels may use the array as it is."""
    return bool(
        array.flags.c_contiguous
        and array.flags.writeable
        and array.dtype.isnative
        and array.ctypes.data % ALIGNMENT == 0
    )


def aligned_copy(array: Array) -> Array:
    """A writable, aligned, contiguous copy in native byte order."""
    out = aligned_empty(array.shape, array.dtype.newbyteorder("="))
    np.copyto(out, array)
    return out

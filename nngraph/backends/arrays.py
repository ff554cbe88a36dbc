"""Host arrays as kernels want them: C-contiguous and aligned to 64 bytes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nngraph.ir.op import Array

__all__ = ["ALIGNMENT", "aligned_copy", "aligned_empty", "is_aligned"]

#: Bytes: a cache line, and what vector loads assume. A misaligned buffer is a crash in TVM.
ALIGNMENT = 64


def aligned_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Like ``np.empty``, starting at a multiple of 64 bytes; size 0 is allowed."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    out: Array = raw[start : start + size].view(kind).reshape(shape)
    return out


def aligned_copy(array: Array) -> Array:
    """A writable, aligned, contiguous copy in native byte order."""
    out = aligned_empty(array.shape, array.dtype.newbyteorder("="))
    np.copyto(out, array)
    return out


def is_aligned(array: Array) -> bool:
    """Whether kernels may read the array as it is: contiguous, native, at an aligned address."""
    placed = array.size == 0 or array.ctypes.data % ALIGNMENT == 0
    return bool(array.flags.c_contiguous and array.dtype.isnative and placed)

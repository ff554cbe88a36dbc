"""The limits of element types: ``ng.finfo`` and ``ng.iinfo``."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.ir.dtypes import DType, as_dtype

__all__ = ["finfo", "iinfo"]


class finfo:
    """Limits of a floating point type (``torch.finfo``).

    Attributes:
        bits: bits of one element.
        eps: distance from 1 to the next number.
        max, min: the largest finite number and its negative.
        tiny, smallest_normal: the smallest positive normal number.
        resolution: the decimal resolution.
    """

    def __init__(self, dtype: DType | None = None) -> None:
        kind = default_dtype() if dtype is None else as_dtype(dtype)
        if not kind.is_floating_point:
            raise TypeError(f"finfo is for floating point types; use iinfo for {kind!r}")
        info = ml_dtypes.finfo(kind.numpy)
        self.dtype = kind.name
        self.bits = kind.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type (``torch.iinfo``): ``bits``, ``min`` and ``max``."""

    def __init__(self, dtype: DType) -> None:
        kind = as_dtype(dtype)
        if not kind.is_integer:
            raise TypeError(f"iinfo is for integer types; use finfo for {kind!r}")
        info = np.iinfo(kind.numpy)
        self.dtype = kind.name
        self.bits, self.min, self.max = kind.bits, int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

"""The type of a value: element type and shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.ir.dims import Dim, SymDim, as_dim
from nngraph.ir.dtypes import DTYPES, DType, as_dtype

__all__ = ["Shape", "TensorType", "TypeMismatch", "parse_type", "tensor_type", "type_of_array"]

Shape = tuple[Dim, ...]
_SHORT = {d.short: d for d in DTYPES}


class TypeMismatch(TypeError):
    """Operands do not fit an operator; the text names the operand, what was got, what was wanted.

    ``argument`` says what kind of PyTorch exception the frontend turns this into: shape and value
    errors are ``RuntimeError`` there.
    """


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and shape; a dimension is an ``int`` or a symbolic expression (``SymDim``)."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        total: Dim = 1
        for d in self.shape:
            total = total * d
        return total

    @property
    def is_static(self) -> bool:
        """True if no dimension is symbolic."""
        return not any(isinstance(d, SymDim) for d in self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as integers.

        Raises:
            ValueError: if a dimension is symbolic.
        """
        out: list[int] = []
        for d in self.shape:
            if isinstance(d, SymDim):
                raise ValueError(f"the shape of {self} has the symbolic dimension {d}")
            out.append(d)
        return tuple(out)

    @property
    def nbytes(self) -> int:
        """Bytes of a dense array of this (static) type."""
        return math.prod(self.static_shape) * self.dtype.itemsize

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Iterable[Dim]) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]"


def tensor_type(dtype: object, shape: Iterable[int | str | SymDim] = ()) -> TensorType:
    """Builds a type; a string dimension is parsed, as in ``tensor_type("f32", ("batch", 64))``."""
    return TensorType(as_dtype(dtype), tuple(as_dim(d) for d in shape))


def parse_type(text: str) -> TensorType:
    """The type that ``str(type)`` wrote, as ``f32[batch,64]``.

    Raises:
        ValueError: if the text is no type.
    """
    short, _, rest = text.partition("[")
    if short not in _SHORT or not rest.endswith("]"):
        raise ValueError(f"{text!r} is no type; one is written as f32[batch,64]")
    dims = _listed(rest[:-1]) if rest != "]" else []
    return TensorType(
        _SHORT[short], tuple(int(d) if d.isdecimal() else as_dim(d.strip()) for d in dims)
    )


def _listed(text: str) -> list[str]:
    """The parts between commas, but for those within parentheses (``max(0,n-3)``)."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def type_of_array(array: np.ndarray[Any, Any]) -> TensorType:
    """The type of a NumPy array."""
    return TensorType(as_dtype(array.dtype), tuple(int(d) for d in array.shape))

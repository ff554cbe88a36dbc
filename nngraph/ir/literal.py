"""An array as an operator attribute."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.ir.types import TensorType, type_of_array

__all__ = ["Literal"]


class Literal:
    """A read-only array, equal and hashed by element type, shape and bytes.

    So ``0.0`` and ``-0.0`` differ, and a NaN equals itself.
    """

    __slots__ = ("_key", "array")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = np.array(array, order="C")
        self.array.setflags(write=False)
        self._key = (self.array.dtype.str, self.array.shape, self.array.tobytes())

    @property
    def type(self) -> TensorType:
        return type_of_array(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Literal({self.array.dtype}{list(self.array.shape)})"

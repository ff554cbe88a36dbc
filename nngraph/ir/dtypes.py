"""The element types of tensors."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np

__all__ = [
    "DTYPES",
    "DType",
    "Kind",
    "as_dtype",
    "bfloat16",
    "bool_",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


class Kind(enum.Enum):
    """What the numbers of a dtype are; ``INT`` is signed."""

    FLOAT = "float"
    INT = "int"
    UINT = "uint"
    BOOL = "bool"

    __hash__ = object.__hash__  # each is one object; Enum's own hash runs Python code


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its PyTorch name, its short name in graph text, and its NumPy twin.

    Attributes:
        name: PyTorch's name, as in ``float32``.
        short: the name in graph text, as in ``f32``.
        kind: what its numbers are.
        bits: the number of bits of one element in memory.
    """

    name: str
    short: str
    kind: Kind
    bits: int

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype (``bfloat16`` is that of ``ml_dtypes``)."""
        return _NUMPY[self]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.bits // 8

    @property
    def is_floating_point(self) -> bool:
        return self.kind is Kind.FLOAT

    @property
    def is_complex(self) -> bool:
        """False: there are no complex types."""
        return False

    @property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers, False for bool."""
        return self.kind in (Kind.INT, Kind.UINT)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"nngraph.{self.name}"


float64: Final = DType("float64", "f64", Kind.FLOAT, 64)
float32: Final = DType("float32", "f32", Kind.FLOAT, 32)
float16: Final = DType("float16", "f16", Kind.FLOAT, 16)
bfloat16: Final = DType("bfloat16", "bf16", Kind.FLOAT, 16)
int8: Final = DType("int8", "i8", Kind.INT, 8)
int16: Final = DType("int16", "i16", Kind.INT, 16)
int32: Final = DType("int32", "i32", Kind.INT, 32)
int64: Final = DType("int64", "i64", Kind.INT, 64)
uint8: Final = DType("uint8", "u8", Kind.UINT, 8)
uint16: Final = DType("uint16", "u16", Kind.UINT, 16)
uint32: Final = DType("uint32", "u32", Kind.UINT, 32)
uint64: Final = DType("uint64", "u64", Kind.UINT, 64)
bool_: Final = DType("bool", "bool", Kind.BOOL, 8)

DTYPES: Final = (
    float64,
    float32,
    float16,
    bfloat16,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    bool_,
)

_NUMPY: Final = {
    d: np.dtype(ml_dtypes.bfloat16) if d is bfloat16 else np.dtype(d.name) for d in DTYPES
}
_FROM_NUMPY: Final = {n: d for d, n in _NUMPY.items()}
_FROM_NAME: Final = {d.name: d for d in DTYPES} | {d.short: d for d in DTYPES}


def as_dtype(value: object) -> DType:
    """The ``DType`` meant by a DType, a NumPy dtype, a name, or Python's ``float/int/bool``.

    Raises:
        TypeError: if the value names no element type of nngraph.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in _FROM_NAME:
        return _FROM_NAME[value]
    if value is float:
        return float64
    if value is int:
        return int64
    try:
        return _FROM_NUMPY[np.dtype(value)]  # type: ignore[call-overload]
    except (TypeError, KeyError):
        known = ", ".join(d.name for d in DTYPES)
        raise TypeError(
            f"{value!r} is not an element type of nngraph; use one of {known}"
        ) from None

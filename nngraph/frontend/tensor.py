"""The tensor that users see: PyTorch's methods and operators."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.base import Size, TensorBase
from nngraph.frontend.methods.indexing import IndexMethods
from nngraph.frontend.methods.inplace import InplaceMethods
from nngraph.frontend.methods.linalg import LinalgMethods
from nngraph.frontend.methods.parts import PartMethods
from nngraph.frontend.methods.pointwise import PointwiseMethods
from nngraph.frontend.methods.reduction import ReductionMethods
from nngraph.frontend.methods.shaping import ShapeMethods
from nngraph.frontend.methods.special import SpecialMethods
from nngraph.frontend.printing import tensor_repr
from nngraph.frontend.promotion import Operand, as_tensor_like, promoted
from nngraph.ir.dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

__all__ = ["Size", "Tensor"]


class Tensor(
    PointwiseMethods,
    SpecialMethods,
    ReductionMethods,
    ShapeMethods,
    PartMethods,
    IndexMethods,
    LinalgMethods,
    InplaceMethods,
):
    """An n-dimensional array that can record how it was made.

    Eager tensors hold a NumPy array; while a function is traced, tensors stand for values of the
    graph. Make one with ``ng.tensor`` and its relatives. Methods have PyTorch's names, arguments
    and meaning (https://docs.pytorch.org/docs/stable/tensors.html).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return tensor_repr(self)

    # -- operators -------------------------------------------------------------------------
    def __add__(self, other: Operand) -> Tensor:
        return self.add(other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.sub(other)

    def __mul__(self, other: Operand) -> Tensor:
        return self.mul(other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.div(other)

    def __floordiv__(self, other: Operand) -> Tensor:
        return self.floor_divide(other)

    def __mod__(self, other: Operand) -> Tensor:
        return self.remainder(other)

    def __pow__(self, other: Operand) -> Tensor:
        return self.pow(other)

    def __matmul__(self, other: Tensor) -> Tensor:
        return self.matmul(other)

    def __radd__(self, other: Operand) -> Tensor:
        return self.add(other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.mul(other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self.rsub(other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other, at_least=float32)
        return a.div(b)

    def __rfloordiv__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other)
        return a.floor_divide(b)

    def __rmod__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other)
        return a.remainder(b)

    def __rpow__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other)
        return a.pow(b)

    def __neg__(self) -> Tensor:
        return self.neg()

    def __pos__(self) -> Tensor:
        return self.positive()

    def __abs__(self) -> Tensor:
        return self.abs()

    def __invert__(self) -> Tensor:
        return self.bitwise_not()

    def __and__(self, other: Operand) -> Tensor:
        return self.bitwise_and(other)

    def __or__(self, other: Operand) -> Tensor:
        return self.bitwise_or(other)

    def __xor__(self, other: Operand) -> Tensor:
        return self.bitwise_xor(other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rlshift__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other)
        return a.bitwise_left_shift(b)

    def __rrshift__(self, other: Operand) -> Tensor:
        b, a = promoted(self, other)
        return a.bitwise_right_shift(b)

    def __lshift__(self, other: Operand) -> Tensor:
        return self.bitwise_left_shift(other)

    def __rshift__(self, other: Operand) -> Tensor:
        return self.bitwise_right_shift(other)

    def __eq__(self, other: object) -> Any:
        return self.eq(other) if _comparable(other) else NotImplemented  # type: ignore[arg-type]

    def __ne__(self, other: object) -> Any:
        return self.ne(other) if _comparable(other) else NotImplemented  # type: ignore[arg-type]

    def __lt__(self, other: Operand) -> Tensor:
        return self.lt(other)

    def __le__(self, other: Operand) -> Tensor:
        return self.le(other)

    def __gt__(self, other: Operand) -> Tensor:
        return self.gt(other)

    def __ge__(self, other: Operand) -> Tensor:
        return self.ge(other)

    __hash__ = TensorBase.__hash__

    # -- dtype shorthands ------------------------------------------------------------------
    def float(self) -> Tensor:
        return self.to(float32)

    def double(self) -> Tensor:
        return self.to(float64)

    def half(self) -> Tensor:
        return self.to(float16)

    def bfloat16(self) -> Tensor:
        return self.to(bfloat16)

    def short(self) -> Tensor:
        return self.to(int16)

    def char(self) -> Tensor:
        return self.to(int8)

    def byte(self) -> Tensor:
        return self.to(uint8)

    def long(self) -> Tensor:
        return self.to(int64)

    def int(self) -> Tensor:
        return self.to(int32)

    def bool(self) -> Tensor:
        return self.to(bool_)

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        return self

    def is_floating_point(self) -> Any:
        return self.dtype.is_floating_point

    def element_size(self) -> Any:
        """Bytes of one element."""
        return self.dtype.itemsize

    # -- new tensors of the same kind ------------------------------------------------------
    def new_zeros(self, *size: Any, dtype: DType | None = None, **_: Any) -> Tensor:
        return self.new_full(_listed(size), 0, dtype=dtype)

    def new_ones(self, *size: Any, dtype: DType | None = None, **_: Any) -> Tensor:
        return self.new_full(_listed(size), 1, dtype=dtype)

    def new_empty(self, *size: Any, dtype: DType | None = None, **_: Any) -> Tensor:
        return self.new_full(_listed(size), 0, dtype=dtype)

    def new_full(
        self, size: Any, fill_value: Operand, *, dtype: DType | None = None, **_: Any
    ) -> Tensor:
        return as_tensor_like(fill_value, dtype or self.dtype, self).expand(*size).clone()

    def new_tensor(
        self, data: Any, *, dtype: DType | None = None, requires_grad: Any = False, **_: Any
    ) -> Tensor:
        from nngraph.frontend.creation import tensor

        return tensor(data, dtype or self.dtype, requires_grad=requires_grad)


def _listed(size: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size


def _comparable(other: object) -> Any:
    from nngraph.frontend.promotion import is_number

    return isinstance(other, TensorBase) or is_number(other)


TensorBase._result = Tensor

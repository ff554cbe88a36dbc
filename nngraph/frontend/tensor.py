"""The tensor that users see: PyTorch's methods and operators."""

from __future__ import annotations

from typing import Any, Self

from nngraph.frontend.base import Size, TensorBase
from nngraph.frontend.methods.indexing import IndexMethods
from nngraph.frontend.methods.linalg import LinalgMethods
from nngraph.frontend.methods.pointwise import PointwiseMethods
from nngraph.frontend.methods.reduction import ReductionMethods
from nngraph.frontend.methods.shaping import ShapeMethods
from nngraph.frontend.printing import tensor_repr
from nngraph.frontend.promotion import Operand, as_tensor_like, promoted
from nngraph.ir.dtypes import DType, bool_, float16, float32, float64, int32, int64

__all__ = ["Size", "Tensor"]


class Tensor(PointwiseMethods, ReductionMethods, ShapeMethods, IndexMethods, LinalgMethods):
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
        b, a = promoted(self, other)
        return a.sub(b)

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
        return self

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

    # -- in place --------------------------------------------------------------------------
    def add_(self, other: Operand, *, alpha: float = 1) -> Self:
        return self._inplace(self.add(other, alpha=alpha))

    def sub_(self, other: Operand, *, alpha: float = 1) -> Self:
        return self._inplace(self.sub(other, alpha=alpha))

    def mul_(self, other: Operand) -> Self:
        return self._inplace(self.mul(other))

    def div_(self, other: Operand, *, rounding_mode: str | None = None) -> Self:
        return self._inplace(self.div(other, rounding_mode=rounding_mode))

    def pow_(self, exponent: Operand) -> Self:
        return self._inplace(self.pow(exponent))

    def neg_(self) -> Self:
        return self._inplace(self.neg())

    def abs_(self) -> Self:
        return self._inplace(self.abs())

    def sqrt_(self) -> Self:
        return self._inplace(self.sqrt())

    def exp_(self) -> Self:
        return self._inplace(self.exp())

    def relu_(self) -> Self:
        return self._inplace(self.relu())

    def clamp_(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        return self._inplace(self.clamp(min, max))

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Self:
        return self._inplace(self.addcmul(tensor1, tensor2, value=value))

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Self:
        return self._inplace(self.addcdiv(tensor1, tensor2, value=value))

    def lerp_(self, end: Tensor, weight: Operand) -> Self:
        return self._inplace(self.lerp(end, weight))

    def copy_(self, src: Operand) -> Self:
        """Overwrites the elements (``src`` is cast and broadcast)."""
        return self._inplace(as_tensor_like(src, self.dtype, self).expand(*self.type.shape))

    def fill_(self, value: Operand) -> Self:
        return self.copy_(value)

    def zero_(self) -> Self:
        return self.copy_(0)

    def __iadd__(self, other: Operand) -> Self:
        return self.add_(other)

    def __isub__(self, other: Operand) -> Self:
        return self.sub_(other)

    def __imul__(self, other: Operand) -> Self:
        return self.mul_(other)

    def __itruediv__(self, other: Operand) -> Self:
        return self.div_(other)

    # -- dtype shorthands ------------------------------------------------------------------
    def float(self) -> Tensor:
        return self.to(float32)

    def double(self) -> Tensor:
        return self.to(float64)

    def half(self) -> Tensor:
        return self.to(float16)

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
    def new_zeros(self, *size: Any, dtype: DType | None = None) -> Tensor:
        return self.new_full(size[0] if isinstance(size[0], tuple | list) else size, 0, dtype=dtype)

    def new_ones(self, *size: Any, dtype: DType | None = None) -> Tensor:
        return self.new_full(size[0] if isinstance(size[0], tuple | list) else size, 1, dtype=dtype)

    def new_full(self, size: Any, fill_value: Operand, *, dtype: DType | None = None) -> Tensor:
        return as_tensor_like(fill_value, dtype or self.dtype, self).expand(*size).clone()


def _comparable(other: object) -> Any:
    from nngraph.frontend.promotion import is_number

    return isinstance(other, TensorBase) or is_number(other)


TensorBase._result = Tensor

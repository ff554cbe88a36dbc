"""Pointwise methods: arithmetic, comparison, logic, and functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import Operand, as_float, as_tensor_like, promoted
from nngraph.ir.dtypes import DType, bool_, float32, int64, uint8

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["PointwiseMethods", "refuse_bool"]


def _floating(op: Callable[[Any], Any], x: TensorBase) -> Tensor:
    out: Tensor = op(as_float(x))
    return out


def _numeric(x: Tensor) -> Tensor:
    return x.to(uint8) if x.dtype is bool_ else x


def _scaled(x: Tensor, alpha: float) -> Tensor:
    if isinstance(alpha, float) and not x.dtype.is_floating_point:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return x if alpha == 1 else x.mul(alpha)


def refuse_bool(*operands: Operand) -> None:
    """Bools are not subtracted.

    Raises:
        RuntimeError: if an operand is a bool tensor.
    """
    if any(isinstance(v, TensorBase) and v.dtype is bool_ for v in operands):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )


class PointwiseMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    # -- arithmetic ------------------------------------------------------------------------
    def add(self: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
        """``self + alpha * other``."""
        a, b = promoted(self, other)
        if a.dtype is bool_:
            return ops.logical_or(a, b)
        return ops.add(a, _scaled(b, alpha))

    def sub(self: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
        """``self - alpha * other``."""
        refuse_bool(self, other)
        a, b = promoted(self, other)
        return ops.sub(a, _scaled(b, alpha))

    def mul(self: Tensor, other: Operand) -> Tensor:
        a, b = promoted(self, other)
        if a.dtype is bool_:
            return ops.logical_and(a, b)
        return ops.mul(a, b)

    def div(self: Tensor, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
        """True division; ``rounding_mode`` is None, ``"trunc"`` or ``"floor"``."""
        if rounding_mode == "floor":
            return self.floor_divide(other)
        if rounding_mode == "trunc":
            a, b = promoted(self, other)
            if a.dtype.is_floating_point:
                return ops.trunc(ops.div(a, b))
            return ops.floor_divide(ops.sub(a, ops.fmod(a, b)), b)
        if rounding_mode is not None:
            raise RuntimeError(
                f"div expected rounding_mode to be one of None, 'trunc', or 'floor' "
                f"but found '{rounding_mode}'"
            )
        a, b = promoted(self, other, at_least=float32)
        return ops.div(a, b)

    def floor_divide(self: Tensor, other: Operand) -> Tensor:
        a, b = promoted(self, other)
        return ops.floor_divide(a, b)

    def remainder(self: Tensor, other: Operand) -> Tensor:
        """Python's ``%``: the sign is the divisor's."""
        a, b = promoted(self, other)
        return ops.remainder(a, b)

    def fmod(self: Tensor, other: Operand) -> Tensor:
        """C's ``fmod``: the sign is the dividend's."""
        a, b = promoted(self, other)
        return ops.fmod(a, b)

    def pow(self: Tensor, exponent: Operand) -> Tensor:
        a, b = promoted(self, exponent)
        if isinstance(exponent, int) and exponent < 0 and a.dtype.is_integer:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return ops.pow(a, b)

    def neg(self: Tensor) -> Tensor:
        if self.dtype is bool_:
            raise RuntimeError(
                "Negation, the `-` operator, on a bool tensor is not supported; "
                "use `~` or logical_not() instead"
            )
        return ops.neg(self)

    negative, subtract, multiply, divide, true_divide = neg, sub, mul, div, div

    def positive(self: Tensor) -> Tensor:
        """The tensor itself.

        Raises:
            RuntimeError: for bools, as in PyTorch.
        """
        if self.dtype is bool_:
            raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
        return self

    def addcmul(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
        """``self + value * tensor1 * tensor2``."""
        return self.add(_scaled(tensor1 * tensor2, value))

    def addcdiv(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
        """``self + value * tensor1 / tensor2``."""
        return self.add(_scaled(tensor1 / tensor2, value))

    def lerp(self: Tensor, end: Tensor, weight: Operand) -> Tensor:
        """``self + weight * (end - self)``."""
        return self.add((end - self) * weight)

    def maximum(self: Tensor, other: Operand) -> Tensor:
        a, b = promoted(self, other)
        return ops.maximum(a, b)

    def minimum(self: Tensor, other: Operand) -> Tensor:
        a, b = promoted(self, other)
        return ops.minimum(a, b)

    def atan2(self: Tensor, other: Operand) -> Tensor:
        a, b = promoted(self, other, at_least=float32)
        return ops.atan2(a, b)

    # -- comparison ------------------------------------------------------------------------
    def eq(self: Tensor, other: Operand) -> Tensor:
        return ops.eq(*promoted(self, other))

    def ne(self: Tensor, other: Operand) -> Tensor:
        return ops.ne(*promoted(self, other))

    def lt(self: Tensor, other: Operand) -> Tensor:
        return ops.lt(*promoted(self, other))

    def le(self: Tensor, other: Operand) -> Tensor:
        return ops.le(*promoted(self, other))

    def gt(self: Tensor, other: Operand) -> Tensor:
        return ops.gt(*promoted(self, other))

    def ge(self: Tensor, other: Operand) -> Tensor:
        return ops.ge(*promoted(self, other))

    def isnan(self: Tensor) -> Tensor:
        return ops.isnan(_numeric(self))

    def isinf(self: Tensor) -> Tensor:
        return ops.isinf(_numeric(self))

    def isfinite(self: Tensor) -> Tensor:
        return ops.isfinite(_numeric(self))

    # -- logic and bits --------------------------------------------------------------------
    def logical_not(self: Tensor) -> Tensor:
        return ops.logical_not(self.to(bool_))

    def logical_and(self: Tensor, other: Tensor) -> Tensor:
        return ops.logical_and(self.to(bool_), other.to(bool_))

    def logical_or(self: Tensor, other: Tensor) -> Tensor:
        return ops.logical_or(self.to(bool_), other.to(bool_))

    def logical_xor(self: Tensor, other: Tensor) -> Tensor:
        return ops.logical_xor(self.to(bool_), other.to(bool_))

    def bitwise_not(self: Tensor) -> Tensor:
        return ops.bitwise_not(self)

    def bitwise_and(self: Tensor, other: Operand) -> Tensor:
        return ops.bitwise_and(*promoted(self, other))

    def bitwise_or(self: Tensor, other: Operand) -> Tensor:
        return ops.bitwise_or(*promoted(self, other))

    def bitwise_xor(self: Tensor, other: Operand) -> Tensor:
        return ops.bitwise_xor(*promoted(self, other))

    def bitwise_left_shift(self: Tensor, other: Operand) -> Tensor:
        return ops.shift_left(*promoted(self, other))

    def bitwise_right_shift(self: Tensor, other: Operand) -> Tensor:
        return ops.shift_right(*promoted(self, other))

    # -- functions of one tensor -----------------------------------------------------------
    def abs(self: Tensor) -> Tensor:
        return ops.abs(self)

    absolute = abs

    def sign(self: Tensor) -> Tensor:
        return self.clone() if self.dtype is bool_ else ops.sign(self)

    sgn = sign

    def exp(self: Tensor) -> Tensor:
        return _floating(ops.exp, self)

    def expm1(self: Tensor) -> Tensor:
        return _floating(ops.expm1, self)

    def log(self: Tensor) -> Tensor:
        return _floating(ops.log, self)

    def log1p(self: Tensor) -> Tensor:
        return _floating(ops.log1p, self)

    def log2(self: Tensor) -> Tensor:
        return _floating(ops.log2, self)

    def sqrt(self: Tensor) -> Tensor:
        return _floating(ops.sqrt, self)

    def rsqrt(self: Tensor) -> Tensor:
        return _floating(ops.rsqrt, self)

    def square(self: Tensor) -> Tensor:
        x = self.to(int64) if self.dtype is bool_ else self
        return x.mul(x)

    def reciprocal(self: Tensor) -> Tensor:
        return _floating(ops.reciprocal, self)

    def sin(self: Tensor) -> Tensor:
        return _floating(ops.sin, self)

    def cos(self: Tensor) -> Tensor:
        return _floating(ops.cos, self)

    def tan(self: Tensor) -> Tensor:
        return _floating(ops.tan, self)

    def asin(self: Tensor) -> Tensor:
        return _floating(ops.asin, self)

    def acos(self: Tensor) -> Tensor:
        return _floating(ops.acos, self)

    def atan(self: Tensor) -> Tensor:
        return _floating(ops.atan, self)

    def sinh(self: Tensor) -> Tensor:
        return _floating(ops.sinh, self)

    def cosh(self: Tensor) -> Tensor:
        return _floating(ops.cosh, self)

    def tanh(self: Tensor) -> Tensor:
        return _floating(ops.tanh, self)

    def asinh(self: Tensor) -> Tensor:
        return _floating(ops.asinh, self)

    def acosh(self: Tensor) -> Tensor:
        return _floating(ops.acosh, self)

    def atanh(self: Tensor) -> Tensor:
        return _floating(ops.atanh, self)

    def erf(self: Tensor) -> Tensor:
        return _floating(ops.erf, self)

    def sigmoid(self: Tensor) -> Tensor:
        return _floating(ops.sigmoid, self)

    def relu(self: Tensor) -> Tensor:
        return ops.relu(self)

    def floor(self: Tensor) -> Tensor:
        return ops.floor(self)

    def ceil(self: Tensor) -> Tensor:
        return ops.ceil(self)

    def round(self: Tensor, *, decimals: int = 0) -> Tensor:
        """To the nearest integer (or multiple of ``10**-decimals``), ties to even."""
        if not decimals:
            return ops.round(self)
        scale = 10.0**decimals
        return ops.round(self * scale) / scale

    def trunc(self: Tensor) -> Tensor:
        return ops.trunc(self)

    def clamp(self: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
        """Limits elements to ``[min, max]``; bounds are numbers or tensors.

        Raises:
            RuntimeError: if both bounds are None.
        """
        if min is None and max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        if isinstance(min, TensorBase) or isinstance(max, TensorBase):
            low = self if min is None else self.maximum(min)
            return low if max is None else low.minimum(max)
        bounds = [b for b in (min, max) if b is not None]
        (x, *_) = promoted(self, *bounds)
        return ops.clip(x, min, max)

    clip = clamp

    def clamp_min(self: Tensor, min: Operand) -> Tensor:
        return self.clamp(min)

    def clamp_max(self: Tensor, max: Operand) -> Tensor:
        return self.clamp(None, max)

    # -- types -----------------------------------------------------------------------------
    def to(
        self: Tensor, *args: Any, dtype: DType | None = None, copy: bool = False, **_: Any
    ) -> Tensor:
        """Another dtype (devices are accepted and change nothing: compiled functions choose)."""
        from nngraph.ir.dtypes import as_dtype

        for value in args:
            if isinstance(value, TensorBase):
                dtype = value.dtype
            elif value is not None and not (isinstance(value, str) and value.startswith(_DEVICES)):
                dtype = as_dtype(value)
        if dtype is None or dtype is self.dtype:
            return self.clone() if copy else self
        return ops.cast(self, as_dtype(dtype))

    def clone(self: Tensor) -> Tensor:
        """A copy with memory of its own; gradients pass through."""
        return ops.copy(self)

    def where(self: Tensor, condition: Tensor, other: Operand) -> Tensor:
        """``self`` where ``condition`` holds, ``other`` elsewhere."""
        if condition.dtype is not bool_:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor "
                f"with dtype {condition.dtype.name}"
            )
        a, b = promoted(self, other)
        return ops.where(condition, a, b)

    def masked_fill(self: Tensor, mask: Tensor, value: Operand) -> Tensor:
        """``value``, a number or a tensor without axes, where ``mask`` holds."""
        if mask.dtype is not bool_:
            raise RuntimeError(
                "masked_fill_ only supports boolean masks, but got mask with dtype "
                f"{mask.dtype.name}"
            )
        if isinstance(value, TensorBase) and value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got "
                f"tensor with {value.ndim} dimension(s)."
            )
        return ops.where(mask, as_tensor_like(value, self.dtype, self), self)


_DEVICES = ("cpu", "cuda")

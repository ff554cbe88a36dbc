"""Arithmetic of tensors and numbers, and limits."""

from __future__ import annotations

import math

import numpy as np

from nngraph import ops
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.kinds import need_floats, need_numbers, need_same
from nngraph.frontend.functional.variants import both, everywhere, function
from nngraph.frontend.host import in_graph, is_host_number
from nngraph.frontend.promotion import (
    as_number,
    as_tensor_like,
    is_number,
    need_alpha,
    need_fit,
    promoted,
    result_type,
)
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import DType, bfloat16, bool_, float16, float32
from nngraph.ops.composite import wide

# fmt: off
__all__ = [
    "add", "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "div", "divide",
    "floor_divide", "fmod", "lerp", "maximum", "minimum", "mul", "multiply", "neg", "negative",
    "positive", "pow", "remainder", "rsub", "sub", "subtract", "true_divide",
]
# fmt: on


def _varies(alpha: Operand) -> bool:
    """Whether only a call knows the number."""
    return is_host_number(alpha) or isinstance(alpha, Tensor)


def _scaled(x: Tensor, alpha: Operand) -> Tensor:
    need_alpha(x, alpha)
    if x.dtype is bool_ or (not _varies(alpha) and alpha == 1):
        return x
    return x.mul(alpha)


def _is_factor(value: Operand, result: DType) -> bool:
    """Whether PyTorch computes with a number as it is, not rounded to a result of 16 bits."""
    if result is not float16 and result is not bfloat16:
        return False
    return value.ndim == 0 and value.dtype is not result if isinstance(value, Tensor) else True


def _product(x: Tensor, alpha: Operand) -> Tensor:
    """A factor of 16 bits times ``x``, as float32."""
    number = in_graph(alpha) if is_host_number(alpha) else alpha
    if isinstance(number, Tensor):
        return _scaled(x.to(float32), number.to(x.dtype).to(float32))
    return _scaled(x.to(float32), float(np.asarray(number, x.dtype.numpy)))


def _rounds_late(result: DType, alpha: Operand) -> bool:
    """Whether the product with ``alpha`` is not rounded to 16 bits before it is added."""
    return result in (float16, bfloat16) and (_varies(alpha) or alpha != 1)


def _wider(value: Operand) -> Operand:
    return value.to(float32) if isinstance(value, Tensor) else value


def _refuse_bool(*operands: Operand) -> None:
    if any(v.dtype is bool_ if isinstance(v, Tensor) else isinstance(v, bool) for v in operands):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )


@everywhere
def add(input: Operand, other: Operand, *, alpha: Operand = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return ops.logical_or(a, _scaled(b, alpha) if alpha else ops.full_like(b, False))
    if _rounds_late(a.dtype, alpha):
        return ops.add(a.to(float32), _product(b, alpha)).to(a.dtype)
    return ops.add(a, _scaled(b, alpha))


@everywhere
def sub(input: Operand, other: Operand, *, alpha: Operand = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``."""
    _refuse_bool(input, other)
    a, b = promoted(input, other)
    if _rounds_late(a.dtype, alpha):
        return ops.sub(a.to(float32), _product(b, alpha)).to(a.dtype)
    return ops.sub(a, _scaled(b, alpha))


@everywhere
def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * other``; of bools, ``and``."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return ops.logical_and(a, b)
    if _is_factor(other, a.dtype):
        return ops.mul(*promoted(_wider(input), other)).to(a.dtype)
    if not isinstance(input, Tensor) and _is_factor(input, b.dtype):
        return ops.mul(*promoted(input, _wider(other))).to(a.dtype)
    return ops.mul(a, b)


@everywhere
def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """True division; ``rounding_mode`` is None, ``"trunc"`` or ``"floor"``."""
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return ops.trunc_divide(*promoted(input, other))
    if rounding_mode is not None:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' "
            f"but found '{rounding_mode}'"
        )
    a, b = promoted(input, other, at_least=default_dtype())
    if _is_factor(other, a.dtype):
        return ops.div(*promoted(_wider(input), other)).to(a.dtype)
    if not isinstance(input, Tensor) and _is_factor(input, b.dtype):
        return mul(b.reciprocal(), input)  # as PyTorch's `number / tensor`
    return ops.div(a, b)


@everywhere
def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input // other``, rounded down."""
    a, b = promoted(input, other)
    return ops.floor_divide(a, b)


@everywhere
def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Python's ``%``: the sign is the divisor's."""
    a, b = promoted(input, other)
    return ops.remainder(a, b)


@everywhere
def fmod(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """C's ``fmod``: the sign is the dividend's."""
    a, b = promoted(input, other)
    return ops.fmod(a, b)


@everywhere
def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent``."""
    a, b = promoted(input, exponent)
    if a.dtype is bool_ and isinstance(exponent, bool):
        return a.clone() if exponent else ops.full_like(a, True)
    if isinstance(exponent, int) and exponent < 0 and a.dtype.is_integer:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if is_number(exponent) and a.dtype.is_floating_point and math.isfinite(exponent):
        return ops.power(a, float(exponent))
    return ops.pow(a, b)


@function
def rsub(input: Tensor, other: Operand, *, alpha: Operand = 1) -> Tensor:
    """``other - alpha * input``."""
    _refuse_bool(input, other)
    b, a = promoted(input, other)
    return a.sub(b, alpha=alpha)


@everywhere
def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``-input``."""
    if input.dtype is bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported; "
            "use `~` or logical_not() instead"
        )
    return ops.neg(input)


@both
def positive(input: Tensor) -> Tensor:
    """The tensor itself.

    Raises:
        RuntimeError: for bools, as in PyTorch.
    """
    if input.dtype is bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@everywhere
def addcmul(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Operand = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    kind = result_type(input, tensor1, tensor2)
    need_numbers("addcmul", kind)
    factor = _scaled(wide(tensor1.to(kind)), as_number(value, kind))
    return _sum(input, factor * wide(tensor2.to(kind)), kind)


@everywhere
def addcdiv(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Operand = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    if not any(t.dtype.is_floating_point for t in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is not supported; write "
            "input + value * torch.trunc(tensor1 / tensor2), or cast to a floating point type"
        )
    kind = result_type(input, tensor1, tensor2)
    over = _scaled(wide(tensor1.to(kind)), value)
    return _sum(input, over / wide(tensor2.to(kind)), kind)


def _sum(input: Tensor, term: Tensor, kind: DType) -> Tensor:
    """``input + term``; of half precision rounded once."""
    total = wide(input).add(term)
    return total.to(kind) if kind in (float16, bfloat16) else total


@everywhere
def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``, from the nearer end: exact at 1 as it is at 0."""
    need_floats("lerp", input)
    need_same("lerp", input, end=end, **{"weight": weight} if isinstance(weight, Tensor) else {})
    if isinstance(weight, Tensor):
        near = weight.abs().lt(0.5)
        return input.where(near, end).add((end - input) * weight.where(near, -(1 - weight)))
    if is_host_number(weight):
        is_near = as_tensor_like(abs(weight) < 0.5, bool_, input)
        return ops.where(
            is_near, *promoted(_from_start(input, end, weight), _to_end(input, end, weight))
        )
    return (_from_start if abs(weight) < 0.5 else _to_end)(input, end, weight)


def _from_start(input: Tensor, end: Tensor, weight: float) -> Tensor:
    return input.add((end - input) * weight)


def _to_end(input: Tensor, end: Tensor, weight: float) -> Tensor:
    return end.sub((end - input) * (1 - weight))


@both
def maximum(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The larger one; NaN where either is. Of bools, whether either is true."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return ops.logical_or(a, b)
    return ops.maximum(a, b)


@both
def minimum(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The smaller one; NaN where either is. Of bools, whether both are true."""
    a, b = promoted(input, other)
    if a.dtype is bool_:
        return ops.logical_and(a, b)
    return ops.minimum(a, b)


@everywhere
def clamp(
    input: Tensor,
    min: Operand | None = None,
    max: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Limits elements to ``[min, max]``; bounds are numbers or tensors.

    Raises:
        RuntimeError: if both bounds are None, or the integers' type cannot hold one.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [b for b in (min, max) if b is not None]
    if any(isinstance(b, Tensor) and b.ndim for b in bounds) and any(map(is_number, bounds)):
        raise TypeError(
            "clamp() takes two numbers or two tensors; make a tensor of the number with "
            "ng.tensor(...)"
        )
    if any(isinstance(b, Tensor | SymInt) or is_host_number(b) for b in bounds):
        return _between(input, min, max)
    dtype = result_type(input, *bounds)
    for bound in bounds:
        need_fit(bound, dtype)
    low, high = (None if b is None else as_number(b, dtype) for b in (min, max))
    return ops.clip(as_tensor_like(input, dtype, input), low, high)


def _between(input: Tensor, min: Operand | None, max: Operand | None) -> Tensor:
    """Limits by tensors: at a limit the gradient is the input's, and NaN has none."""
    x, *rest = promoted(input, *(b for b in (min, max) if b is not None))
    if min is not None and max is not None:
        need_numbers("clamp", x.dtype)
    elif x.dtype is bool_:
        return x.maximum(rest[0]) if max is None else x.minimum(rest[0])
    low = None if min is None else rest.pop(0)
    high = rest[0] if rest else None
    fixed = x.detach()
    if low is not None:
        fixed = fixed.maximum(low.detach())
    if high is not None:
        fixed = fixed.minimum(high.detach())
    if high is None or low is None:
        bound = high if low is None else low
        assert bound is not None
        inside, beyond = (x.le(bound), x.gt(bound)) if low is None else (x.ge(bound), x.lt(bound))
        return x.where(inside, bound.where(beyond, fixed))
    outer = high.where((x.gt(high) | high.lt(low)) & fixed.eq(high), fixed)
    return x.where(
        x.ge(low) & x.le(high), low.where(x.lt(low) & low.lt(high) & fixed.eq(low), outer)
    )


@everywhere
def clamp_min(input: Tensor, min: Operand, *, out: Tensor | None = None) -> Tensor:
    """At least ``min``."""
    return input.clamp(min)


@everywhere
def clamp_max(input: Tensor, max: Operand, *, out: Tensor | None = None) -> Tensor:
    """At most ``max``."""
    return input.clamp(None, max)


subtract, multiply, divide, true_divide = sub, mul, div, div
negative, clip = neg, clamp

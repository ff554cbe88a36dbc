"""Random integers: ranges that a dtype holds, words of a draw in a range."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, overload

from nngraph.frontend.functional.axes import need_sizes
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.variants import function
from nngraph.frontend.generator import Generator, next_key
from nngraph.frontend.limits import finfo, iinfo
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int64,
    uint64,
)
from nngraph.ops import random as ops
from nngraph.ops.elementwise import floor

__all__ = ["randint", "randint_like"]

#: Whole numbers from 0 up to 2 to this power are all there.
_DIGITS = {float16: 11, bfloat16: 8, float32: 24, float64: 53}


def integers(
    first: int, last: int, shape: Sequence[Dim], dtype: DType, generator: Generator | None = None
) -> Tensor:
    """Integers from ``first`` to ``last - 1``, each as likely.

    Beyond 2**53 of them a word of 64 bits is taken modulo their number, as PyTorch does, so that
    some are more likely by a factor of at most 1 + 2**-10.

    Raises:
        RuntimeError: for an empty range, or one that the dtype does not hold.
    """
    need_sizes(tuple(shape))
    if last <= first:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={first} >= to={last}"
        )
    _need_held("from", first, dtype)
    _need_held("to - 1", last - 1, dtype)
    count = last - first
    if count <= 1 << 53:
        spread = rand(shape, generator=generator, dtype=float64) * float(count)
        return (floor(spread).to(int64) + first).to(dtype)
    words = ops.random_bits(next_key(generator), (2, *shape)).to(uint64)
    whole = words[0] * 2**32 + words[1]
    whole = whole % count if count < 1 << 64 else whole
    return (whole.to(int64) + first).to(dtype)


def _need_held(what: str, number: int, dtype: DType) -> None:
    digits = _DIGITS.get(dtype)
    if digits is None:
        low, high = (0, 1) if dtype is bool_ else (iinfo(dtype).min, iinfo(dtype).max)
    else:
        low, high = int(finfo(dtype).min), int(finfo(dtype).max)
    if not low <= number <= high:
        raise RuntimeError(f"{what} is out of bounds for {dtype.name}: {number}")
    if digits is not None and abs(number) > 1 << digits:
        warnings.warn(
            f"{what} is out of bounds [-(2^{digits}), 2^{digits}], beyond which {dtype.name} does "
            "not have all whole numbers",
            stacklevel=5,
        )


def largest(dtype: DType) -> int:
    """The largest whole number up to which a dtype has all."""
    if dtype is bool_:
        return 1
    return 1 << _DIGITS[dtype] if dtype.is_floating_point else iinfo(dtype).max


@overload
def randint(
    high: int,
    size: Sequence[Dim],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def randint(
    low: int,
    high: int,
    size: Sequence[Dim],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0 if left out) to ``high - 1``.

    Raises:
        RuntimeError: if the range is empty, or the dtype does not hold it.
        TypeError: if ``high`` or ``size`` is missing.
    """
    if size is None and isinstance(high, tuple | list):
        high, size = None, high
    if size is None or (low is None and high is None):
        raise TypeError("randint() takes (high, size) or (low, high, size)")
    first, last = _interval(low, high)
    result = integers(first, last, size, as_dtype(dtype or int64), generator)
    return result.requires_grad_() if requires_grad else result


@overload
def randint_like(
    input: Tensor,
    high: int | Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor: ...
@overload
def randint_like(
    input: Tensor,
    low: int,
    high: int,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor: ...
@function.overloaded
def randint_like(
    input: Tensor,
    low: Any = None,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``randint`` of the shape and dtype of ``input``: ``(input, high)`` or ``(input, low, high)``.

    Raises:
        RuntimeError: if the range is empty, or the dtype does not hold it.
        TypeError: if ``high`` is missing.
    """
    if low is None and high is None:
        raise TypeError("randint_like() takes (input, high) or (input, low, high)")
    first, last = _interval(low, high)
    result = integers(first, last, input.aval.shape, as_dtype(dtype or input.dtype), generator)
    return result.requires_grad_() if requires_grad else result


def _interval(low: Any, high: Any) -> tuple[int, int]:
    """What ``(high)`` and ``(low, high)`` mean, by position and by name."""
    if high is None:
        low, high = 0, low
    return 0 if low is None else int(low), int(high)

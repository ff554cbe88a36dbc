"""Methods that fill a tensor with random numbers; a compiled function draws anew at each call."""

from __future__ import annotations

import math
import operator
from typing import Any

from nngraph.frontend.functional.access import replace, unmoved
from nngraph.frontend.functional.drawing import chances, exponentials
from nngraph.frontend.functional.integers import integers, largest
from nngraph.frontend.functional.kinds import need_floats, need_numbers
from nngraph.frontend.functional.random import rand, randn
from nngraph.frontend.functional.variants import method
from nngraph.frontend.generator import Generator
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import float64
from nngraph.ops.composite import wide_dtype

__all__: list[str] = []


@method
def uniform_(
    input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Uniform on [from, to); ``from``, a word of Python's, goes by its place.

    Raises:
        RuntimeError: for integers, or an empty interval.
    """
    _need_floats("uniform_", input)
    if from_ > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}"
        )
    drawn = rand(input.aval.shape, generator=generator, dtype=input.dtype)
    return replace(input, drawn * (to - from_) + from_)


@method
def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation.

    Raises:
        RuntimeError: for integers, or a negative deviation.
    """
    _need_floats("normal_", input)
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    drawn = randn(input.aval.shape, generator=generator, dtype=input.dtype)
    return replace(input, drawn * std + mean)


@method
def bernoulli_(input: Tensor, p: Operand = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability ``p``, a number or a tensor that broadcasts; else 0.

    The gradient of the probabilities is zero, as is that of the elements before.

    Raises:
        RuntimeError: for a number that is no probability.
    """
    if not isinstance(p, Tensor) and not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    if isinstance(p, Tensor):
        need_floats("bernoulli_", p)
        happened = chances(p.detach().expand(input.aval.shape), generator)
        return replace(input, unmoved(happened.to(input.dtype), p))
    drawn = rand(input.aval.shape, generator=generator, dtype=float64)
    return replace(input, drawn.lt(p).to(input.dtype))


@method
def exponential_(
    input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Exponential of rate ``lambd``.

    Raises:
        RuntimeError: for integers, or a rate that is not above 0.
    """
    _need_floats("exponential_", input)
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _filled(input, exponentials(input.aval.shape, generator) / lambd)


@method
def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """How many trials there are up to the first success, from 1 on.

    Raises:
        RuntimeError: for bools, or unless ``0 < p < 1``.
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    need_numbers("geometric_", input.dtype)
    drawn = exponentials(input.aval.shape, generator) / -math.log1p(-p)
    return _filled(input, drawn.ceil())


@method
def cauchy_(
    input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Cauchy of this median and half width.

    Raises:
        RuntimeError: for integers, or a width that is not above 0.
    """
    _need_floats("cauchy_", input)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    turns = rand(input.aval.shape, generator=generator, dtype=float64) - 0.5
    return _filled(input, (turns * math.pi).tan() * sigma + median)


@method
def log_normal_(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers whose logarithms are normal with this mean and standard deviation.

    Raises:
        RuntimeError: for integers, or a deviation that is not above 0.
    """
    need_floats("log_normal_", input)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    drawn = randn(input.aval.shape, generator=generator, dtype=wide_dtype(input.dtype))
    return _filled(input, (drawn * std + mean).exp())


@method
def random_(
    input: Tensor, from_: int | None = None, to: Any = ..., *, generator: Generator | None = None
) -> Tensor:
    """Integers: ``random_(from, to)`` from ``from`` to ``to - 1``, ``random_(to)`` from 0.

    Without ``to``, or with None, up to the largest number up to which the dtype has all integers;
    ``from``, a word of Python's, goes by its place.

    Raises:
        RuntimeError: for an empty range, or one that the dtype does not hold.
    """
    if from_ is not None and to is ...:
        from_, to = 0, from_
    last = largest(input.dtype) + 1 if to is ... or to is None else operator.index(to)
    first = 0 if from_ is None else operator.index(from_)
    return replace(input, integers(first, last, input.aval.shape, input.dtype, generator))


def _filled(input: Tensor, drawn: Tensor) -> Tensor:
    return replace(input, drawn.to(input.dtype))


def _need_floats(name: str, input: Tensor) -> None:
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"{name}: expected a floating point tensor, got {input.aval}")

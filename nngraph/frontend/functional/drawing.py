"""Random numbers whose distributions have tensors as parameters."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, overload

from nngraph import ops
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.access import unmoved
from nngraph.frontend.functional.axes import sizes_of
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.random import rand, randn
from nngraph.frontend.functional.statistics import bisected
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.generator import Generator
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype, float64, int64

__all__ = ["bernoulli", "multinomial", "normal"]


def exponentials(shape: Sequence[Dim], generator: Generator | None) -> Tensor:
    """Exponential numbers of rate 1 above 0, in float64."""
    drawn = rand(shape, generator=generator, dtype=float64)
    return (1.0 - drawn).log().neg().clamp(min=2.0**-60)


@overload
def normal(
    mean: Tensor,
    std: Tensor | float = 1.0,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor: ...
@overload
def normal(
    mean: float, std: Tensor, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor: ...
@overload
def normal(
    mean: float,
    std: float,
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
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
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
    """Normal numbers: of tensors of means and deviations that broadcast, or of a size.

    The dtype is the mean's, or the deviation's beside a number. Gradients of tensors are zero
    (``distributions.Normal(mean, std).rsample()`` has the others).

    Raises:
        RuntimeError: for a deviation that is not at least 0, also among the elements; if the dtype
            would be of integers or bools.
        TypeError: for two numbers without a size.
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors and size is None:
        raise TypeError("normal() takes tensors as mean or std, or (mean, std, size)")
    if tensors and size is not None:
        raise TypeError("normal() takes a size with numbers only: expand the tensors instead")
    need_floats("normal", *tensors[:1])
    if not isinstance(std, Tensor) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not tensors:
        kind = as_dtype(dtype or default_dtype())
        drawn: Tensor = randn(sizes_of((size,)), generator=generator, dtype=kind) * std + mean
        return drawn.requires_grad_() if requires_grad else drawn
    with no_grad():
        if isinstance(std, Tensor):
            std = ops.require(std, std.ge(0).all(), "normal expects all elements of std >= 0.0")
        shape = (tensors[0] + tensors[-1]).aval.shape
        unit = randn(shape, generator=generator, dtype=tensors[0].dtype)
        drawn = (unit * std + mean).to(unit.dtype)
    return unmoved(drawn, *tensors)


@both
def bernoulli(
    input: Tensor,
    p: float | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """1 with the probability that the element is, else 0; with the probability ``p`` if given.

    The gradient of the probabilities is zero.

    Raises:
        RuntimeError: for what is no probability; for integers, unless ``p`` is given.
    """
    if p is not None:
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        return rand(input.aval.shape, generator=generator, dtype=float64).lt(p).to(input.dtype)
    need_floats("bernoulli", input)
    return unmoved(chances(input.detach(), generator).to(input.dtype), input)


def chances(input: Tensor, generator: Generator | None) -> Tensor:
    """Which events happen, by their probabilities.

    Raises:
        RuntimeError: for what is no probability.
    """
    whole = (input.ge(0) & input.le(1)).all()
    p = ops.require(input, whole, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    return rand(input.aval.shape, generator=generator, dtype=float64).lt(p)


@both
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices of the last axis, each as likely as its weight says.

    Args:
        input: weights that need not sum to 1, ``[n]`` or ``[m, n]``.
        num_samples: how many of each row.
        replacement: whether an index may be drawn again.
        generator: which sequence of random numbers.
        out: where to write.

    Raises:
        RuntimeError: for other shapes and dtypes, more samples than there are weights without
            replacement, weights that are negative or not finite, or sum to 0.
    """
    count = _checked_count(input, num_samples, replacement)
    p = _weights(input.detach()).to(float64)
    if replacement:
        return _by_sums(p, count, generator)
    # The first of exponential clocks whose rates are the weights; weight 0 comes last.
    times = exponentials(input.aval.shape, generator) / p
    return times.topk(count, dim=-1, largest=False).indices


def _checked_count(input: Tensor, num_samples: Any, replacement: bool) -> int:
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{input.dtype.name}; convert with .float()"
        )
    count = operator.index(num_samples)
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    size = input.shape[-1]
    if not replacement and isinstance(size, int) and count > size:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    return count


def _weights(p: Tensor) -> Tensor:
    known = (p.ge(0) & p.lt(float("inf"))).all()
    message = "probability tensor contains either `inf`, `nan` or element < 0"
    p = ops.require(p, known, message)
    message = "invalid multinomial distribution (sum of probabilities <= 0)"
    return ops.require(p, p.gt(0).any(-1).all(), message)


def _by_sums(p: Tensor, count: int, generator: Generator | None) -> Tensor:
    sums = p.cumsum(-1)
    shape = (*p.aval.shape[:-1], count)
    points = rand(shape, generator=generator, dtype=float64) * sums[..., -1:]
    # A point that rounding takes to the sum itself belongs to the last weight above 0.
    last = p.gt(0).to(int64).cumsum(-1).argmax(-1, keepdim=True)
    return bisected(sums, points, True).minimum(last)

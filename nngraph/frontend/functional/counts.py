"""Random counts: Poisson and binomial numbers, the same eagerly and compiled.

Nothing loops until a draw succeeds: small means invert the cumulative probabilities, of which a
fixed number is enough, and large ones take the first accepted of a fixed number of proposals.
What would need more is less likely than 1e-15 a draw. All is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nngraph import ops
from nngraph.frontend.functional.access import seen, unmoved
from nngraph.frontend.functional.creation import arange, ones_like
from nngraph.frontend.functional.joining import broadcast_tensors, cat
from nngraph.frontend.functional.kinds import need_floats, need_full_floats
from nngraph.frontend.functional.random import rand
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.variants import function
from nngraph.frontend.generator import Generator, next_key
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64, int64

__all__ = ["binomial", "poisson"]

Draw = Callable[[Generator | None], Tensor]

#: Means from here on go by proposals (Hörmann's bounds hold from 10 on).
_LARGE = 10.0
#: P(X >= 48) < 1e-17 for a Poisson X of mean 10; a binomial one of that mean has a lighter tail.
_TERMS = 48
#: At a mean of 10, where it is least, 3 of 4 proposals are accepted: 0.25**26 < 1e-15.
_PROPOSALS = 26
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@function
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers of the rates ``input``, of its dtype. The gradient of the rates is zero.

    Raises:
        RuntimeError: for integers, or a rate that is not at least 0.
    """
    need_floats("poisson", input)
    with no_grad():
        message = "invalid Poisson rate, expected rate to be non-negative"
        rate = ops.require(input.detach(), input.ge(0).all(), message).to(float64)
        few, many = partial(_few_events, rate), partial(_many_events, rate)
        drawn = _by_mean(rate.lt(_LARGE), few, many, generator)
    return unmoved(drawn.to(input.dtype), input)


def _by_mean(is_small: Tensor, few: Draw, many: Draw, generator: Generator | None) -> Tensor:
    """Each element by its way. One that none takes, as far as is known, counts as a draw only."""
    known = seen(is_small)
    if known is not None and known.all():
        drawn = few(generator)
        next_key(generator)
        return drawn
    if known is not None and not known.any():
        next_key(generator)
        return many(generator)
    return where(is_small, few(generator), many(generator))


def _few_events(rate: Tensor, generator: Generator | None) -> Tensor:
    rate = rate.clamp(max=_LARGE)
    return _inverted((-rate).exp(), rate / _counts_from_1(rate), generator)


def _many_events(rate: Tensor, generator: Generator | None) -> Tensor:
    """PTRS of Hörmann, "The transformed rejection method for generating Poisson random variables",
    Insurance: Mathematics and Economics 12 (1993).
    """
    mean = rate.clamp(min=_LARGE)
    b = 0.931 + 2.53 * mean.sqrt()
    hat = _Hat(-0.059 + 0.02483 * b, b, mean + 0.43, 1.1239 + 1.1328 / (b - 3.4))

    def log_probability(k: Tensor) -> Tensor:
        return k + 1 - mean - 0.5 * mean.log() - _HALF_LOG_2PI - _shortfall(k, mean)

    return hat.draw(log_probability, None, mean, generator)


@function
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, each with probability ``prob``; they broadcast.

    As in PyTorch, probabilities beyond 0 and 1 count as these, NaN gives NaN, and no gradient
    passes.

    Raises:
        ValueError: for counts of integers or bools.
        RuntimeError: for half precision, or probabilities of another dtype than the counts'.
    """
    for name, x in (("count", count), ("prob", prob)):
        if not isinstance(x, Tensor):
            raise TypeError(f"binomial(): {name} must be a Tensor, not {type(x).__name__}")
        if not x.dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {x.dtype.name}; "
                "convert with .float()"
            )
    need_full_floats("binomial", count)
    if prob.dtype is not count.dtype:
        raise RuntimeError(
            f"binomial: found dtype {prob.dtype.name} of prob but expected {count.dtype.name}"
        )
    with no_grad():
        n, p = broadcast_tensors(count.detach().to(float64), prob.detach().to(float64))
        rare, trials = where(p.gt(0.5), 1.0 - p, p), n.floor()
        # What is not computed this way becomes one coin, so that all numbers stay finite.
        usual = trials.ge(1) & trials.lt(math.inf) & rare.gt(0)
        trials, rare = trials.where(usual, 1.0), rare.where(usual, 0.5)
        is_small = (trials * rare).lt(_LARGE)
        few = partial(_few_successes, trials, where(is_small, rare, 0.0))
        many = partial(_many_successes, trials, rare)
        drawn = _by_mean(is_small, few, many, generator)
        drawn = where(p.gt(0.5), trials - drawn, drawn).where(usual, n.floor())
        drawn = where(p.ge(1), n, drawn.masked_fill(n.isnan() | p.isnan(), math.nan))
        return drawn.masked_fill(n.le(0) | p.le(0), 0.0).to(count.dtype)


def _few_successes(n: Tensor, p: Tensor, generator: Generator | None) -> Tensor:
    k = _counts_from_1(n)
    ratios = ((n - k + 1) / k).clamp(min=0) * (p / (1.0 - p))
    return _inverted((n * (-p).log1p()).exp(), ratios, generator)


def _many_successes(n: Tensor, p: Tensor, generator: Generator | None) -> Tensor:
    """BTRS of Hörmann, "The generation of binomial random variates", Journal of Statistical
    Computation and Simulation 46 (1993).
    """
    n = n.maximum(_LARGE / p)
    mean, rest = n * p, n * (1.0 - p)
    spread = (mean * (1.0 - p)).sqrt()
    b = 1.15 + 2.53 * spread
    mode = (mean + p).floor()

    def log_share(k: Tensor) -> Tensor:
        """``log(P(k) / P(mode))``."""
        here = _shortfall(k, mean) + _shortfall(n - k, rest)
        return _shortfall(mode, mean) + _shortfall(n - mode, rest) - here

    hat = _Hat(-0.0873 + 0.0248 * b + 0.01 * p, b, mean + 0.5, (2.83 + 5.1 / b) * spread)
    return hat.draw(log_share, n, mode, generator)


@dataclass(frozen=True)
class _Hat:
    """Proposals ``k = floor((2 a / (0.5 - |u|) + b) u + centre)`` for u uniform around 0.

    One is accepted with the probability ``share(k) (a / (0.5 - |u|)^2 + b) / scale``.
    """

    a: Tensor
    b: Tensor
    centre: Tensor
    scale: Tensor

    def draw(
        self,
        log_share: Callable[[Tensor], Tensor],
        most: Tensor | None,
        otherwise: Tensor,
        generator: Generator | None,
    ) -> Tensor:
        """The first accepted proposal from 0 to ``most``; ``otherwise`` if there is none."""
        both = rand((2, _PROPOSALS, *self.b.aval.shape), generator=generator, dtype=float64)
        u, accept = both[0] - 0.5, 1.0 - both[1]
        edge = (0.5 - u.abs()).clamp(min=2.0**-54)
        proposed = ((2 * self.a / edge + self.b) * u + self.centre).floor()
        possible = proposed.clamp(min=0)
        possible = possible if most is None else possible.minimum(most)
        log_chance = log_share(possible) + (self.a / edge.square() + self.b).log()
        accepted = (accept * self.scale).log().le(log_chance) & proposed.eq(possible)
        return first_accepted(proposed, accepted, otherwise.floor())


def first_accepted(proposed: Tensor, accepted: Tensor, otherwise: Tensor) -> Tensor:
    """Along the first axis the first proposal that is accepted; ``otherwise`` if none is."""
    first = accepted.to(int64).argmax(0, keepdim=True)
    return where(accepted.any(0), proposed.gather(0, first).squeeze(0), otherwise)


def _inverted(none: Tensor, ratios: Tensor, generator: Generator | None) -> Tensor:
    """Counts with the probability ``none`` of 0 and these ratios of each one's to the last's."""
    sums = (none * cat([ones_like(ratios[:1]), ratios]).cumprod(0)).cumsum(0)
    return rand(none.aval.shape, generator=generator, dtype=float64).ge(sums).to(float64).sum(0)


def _counts_from_1(like: Tensor) -> Tensor:
    return arange(1, _TERMS + 1, dtype=float64).reshape((_TERMS, *([1] * like.ndim)))


def _shortfall(k: Tensor, mean: Tensor) -> Tensor:
    """``log(k! / mean^k) + k + 1 - log(2 pi mean) / 2``, whose digits hold for large means, too."""
    z = k + 1
    return (k + 0.5) * ((z - mean) / mean).log1p() + _stirling_error(z)


def _stirling_error(z: Tensor) -> Tensor:
    """``log(gamma(z)) - (z - 1/2) log(z) + z - log(2 pi) / 2`` for z >= 1, to 1e-6 at 1 and 1e-11
    from 5 on: Stieltjes' continued fraction (Abramowitz and Stegun, 6.1.48).
    """
    found = z
    for factor in (22999 / 22737, 195 / 371, 53 / 210, 1 / 30):
        found = z + factor / found
    return 1 / 12 / found

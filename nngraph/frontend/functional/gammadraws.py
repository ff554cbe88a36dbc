"""Random numbers of gamma distributions, whose gradients go through them.

As in ``counts``, the first accepted of a fixed number of proposals is taken, so that draws are the
same eagerly and compiled; all is computed in float64, and on logarithms, which stay finite where
small shapes make draws underflow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nngraph.frontend.custom import Function
from nngraph.frontend.functional.counts import first_accepted
from nngraph.frontend.functional.creation import zeros_like
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.gamma import digamma
from nngraph.frontend.functional.kinds import need_full_floats
from nngraph.frontend.functional.random import rand, randn
from nngraph.frontend.functional.selection import where
from nngraph.frontend.generator import Generator
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float64

__all__ = ["log_gammas", "sample_dirichlet", "standard_gamma"]

#: At shape 1, where it is least, 95 of 100 proposals are accepted: 0.05**12 < 1e-15.
_PROPOSALS = 12
#: Below any logarithm of a draw that has a use, and far from where sums of such overflow.
_LOWEST = -1e300


def standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma numbers of the shapes ``input`` and rate 1; never 0, as in PyTorch.

    Gradients pass by implicit reparametrisation (``log_gammas``).

    Raises:
        RuntimeError: for integers and half precision.
    """
    need_full_floats("_standard_gamma", input)
    drawn = log_gammas(input, generator).exp().to(input.dtype)
    tiny = finfo(input.dtype).tiny
    return where(input.gt(0), drawn.clamp(min=tiny), tiny)


def sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Dirichlet numbers of the concentrations ``input``, whose last axis sums to 1.

    Gradients pass through the gamma numbers whose shares these are.

    Raises:
        RuntimeError: for integers and half precision.
    """
    need_full_floats("_sample_dirichlet", input)
    shares = log_gammas(input, generator).clamp(min=_LOWEST).softmax(-1)
    kept = shares.clamp(min=finfo(float64).tiny, max=1 - 2.0**-53)
    return kept.to(input.dtype).clamp(min=finfo(input.dtype).tiny)


def log_gammas(shape: Tensor, generator: Generator | None) -> Tensor:
    """Logarithms, float64, of gamma numbers of these shapes (above 0) and rate 1.

    Gradients reach the shapes by implicit reparametrisation: a draw is taken to move so that its
    cumulative probability stays (Figurnov, Mohamed and Mnih, 2018).
    """
    drawn: Tensor = _LogGamma.apply(shape.to(float64), generator)
    return drawn


class _LogGamma(Function):
    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Tensor:
        shape, generator = args
        drawn = _draw(shape, generator)
        ctx.save_for_backward(shape, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        shape, drawn = ctx.saved_tensors
        return grad_outputs[0] * log_gamma_slope(shape, drawn), None


def _draw(shape: Tensor, generator: Generator | None) -> Tensor:
    """Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000)."""
    size = (_PROPOSALS, *shape.aval.shape)
    normal = randn(size, generator=generator, dtype=float64)
    uniform = 1.0 - rand((_PROPOSALS + 1, *size[1:]), generator=generator, dtype=float64)
    is_small = shape.lt(1)
    d = where(is_small, shape + 1, shape) - 1 / 3
    root = 1 + normal / (9 * d).sqrt()
    log_cube = 3 * where(root.gt(0), root, 1.0).log()
    log_chance = normal.square() / 2 + d * (1 - root.pow(3) + log_cube)
    accepted = root.gt(0) & uniform[1:].log().lt(log_chance)
    drawn = d.log() + first_accepted(log_cube, accepted, zeros_like(d))
    # A draw of shape a is one of shape a + 1, times u ** (1 / a).
    return drawn + where(is_small, uniform[0].log() / shape, 0.0)


#: Of the integral: logarithm of what is left out, and nodes and weights on [0, 1].
_DECAY = 30.0
_NODES, _WEIGHTS = (v / 2 for v in np.polynomial.legendre.leggauss(24))
#: Draws up to here go by a series, whose terms beyond this number are below 1e-16.
_SERIES_UP_TO = 3.0
_TERMS = 30


def log_gamma_slope(shape: Tensor, drawn: Tensor) -> Tensor:
    """How the logarithm ``y`` of a draw moves with the shape ``a``: ``- (dF/da) / (dF/dy)``.

    With F the cumulative probability of ``y``, it is the integral over ``s`` from 0 to 1 of
    ``s^(a-1) exp(x (1 - s)) (digamma(a) - y - log(s))`` with ``x = exp(y)``, relative error 1e-12.
    For small x it is summed as a series, for others integrated over ``v = |log(s)|`` on that side
    of 1 where the integrand only decays; up to the other end the integral is 0.
    """
    x, away = drawn.exp(), digamma(shape) - drawn
    is_small = x.le(_SERIES_UP_TO)
    by_series = _series(shape, where(is_small, x, 1.0), away)
    return where(is_small, by_series, _integral(shape, x.clamp(min=_SERIES_UP_TO), away))


def _series(a: Tensor, x: Tensor, away: Tensor) -> Tensor:
    axes = (_TERMS, *([1] * a.ndim))
    k = as_tensor(np.arange(_TERMS, dtype=np.float64)).reshape(axes)
    signs = np.array([(-1.0) ** k / math.factorial(k) for k in range(_TERMS)])
    powers = x.pow(k) * as_tensor(signs).reshape(axes)
    share = 1 / (a + k)
    found: Tensor = x.exp() * (powers * share * (away + share)).sum(0)
    return found


def _integral(a: Tensor, x: Tensor, away: Tensor) -> Tensor:
    side = where(x.gt(a), 1.0, -1.0)
    gap = (x - a).abs()
    # Where the integrand has decayed: bounds of x (e^v - 1 - v) and x (e^-v - 1 + v).
    short = _DECAY - 2 * gap
    root = (short.square() + 8 * _DECAY * a).sqrt()
    below = where(short.gt(0), (short + root) / (2 * a), 4 * _DECAY / (root - short))
    above = 2 * _DECAY / (gap + (gap.square() + 2 * _DECAY * x).sqrt())
    end = where(side.gt(0), above.minimum((4 * _DECAY / x).log().clamp(min=1)), below)
    axes = (len(_NODES), *([1] * a.ndim))
    v = end * as_tensor(_NODES + 0.5).reshape(axes)
    moved = side * v
    decay = (-gap * v - x * (moved.expm1() - moved)).exp()
    weights = as_tensor(_WEIGHTS).reshape(axes)
    found: Tensor = end * (weights * decay * (v - side * away)).sum(0)
    return found

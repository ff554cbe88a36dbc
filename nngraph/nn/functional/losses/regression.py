"""Losses of numbers that should be near other numbers."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.creation import full_like
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.losses.reduction import (
    legacy_reduction,
    need_weights,
    reduced,
    warn_of_sizes,
    weighted,
)

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


@autocasts
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(x - y)^2``."""
    warn_of_sizes(input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    apart = _difference("mse_loss", input, target)
    return weighted(apart.square(), weight, reduction, input)


@autocasts
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|x - y|``."""
    warn_of_sizes(input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    return weighted((input - target).abs(), weight, reduction, input)


@autocasts
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``d^2 / (2 beta)`` where ``d = |x - y| < beta``, ``d - beta / 2`` elsewhere.

    Raises:
        RuntimeError: if ``beta`` is negative.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    warn_of_sizes(input, target)
    bowl, size = _split(_difference("smooth_l1_loss", input, target), beta)
    losses = where(size >= beta, size - 0.5 * beta, bowl * (0.5 / beta))
    return reduced(losses, reduction)


def _difference(name: str, input: Tensor, target: Tensor) -> Tensor:
    """``input - target`` in their common dtype, which has to be of floating point numbers."""
    a, b = promoted(input, target)
    need_floats(name, a)
    return a - b


def _split(difference: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """The square of the difference where it is below the bound, and its size."""
    size = difference.abs()
    return where(size >= bound, 0.0, difference).square(), size


@autocasts
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``d^2 / 2`` where ``d = |x - y| <= delta``, ``delta (d - delta / 2)`` elsewhere.

    Raises:
        RuntimeError: unless ``delta`` is positive.
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    warn_of_sizes(input, target)
    need_floats("huber_loss", input)
    bowl, size = _split(_difference("huber_loss", input, target), delta)
    losses = where(size >= delta, (size - 0.5 * delta) * delta, bowl * 0.5).to(input.dtype)
    if weight is not None:  # their sum is nothing to its mean, as in PyTorch
        need_weights(weight, input)
        losses = losses * weight
    return reduced(losses, reduction)


@autocasts
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of counts; ``full`` adds Stirling's term."""
    if log_input:
        losses = input.exp() - target * input
    else:
        losses = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + (target * 6.283185307179586).log() * 0.5
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``(log v + (x - y)^2 / v) / 2`` with ``v = max(var, eps)``, which gets its full gradient.

    Args:
        input, target: of the same shape.
        var: the variance: a number, or a tensor of that shape or one that differs in a size of 1 or
            lacks the last.
        full: whether to add the constant.
        eps: the least variance.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if ``var`` has another shape, or a negative element; of a compiled function, by
            the call, which changes nothing.
    """
    negative = "var has negative entry/entries"
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError(negative)
        var = full_like(input, var, dtype=promoted(input, float(var))[0].dtype)
    elif var.aval.shape != input.aval.shape:
        var = _spread(var, input)
    need_floats("gaussian_nll_loss", promoted(input, target, var)[0])
    valid = var.detach().lt(0).any().logical_not()
    var = where(var < eps, var + (eps - var.detach()), var)
    losses = (var.log() + (input - target).square() / var) * 0.5
    losses = losses + 0.9189385332046727 if full else losses
    return ops.require(reduced(losses, reduction), valid, negative)


def _spread(var: Tensor, input: Tensor) -> Tensor:
    """A variance for each row."""
    if var.aval.shape == input.aval.shape[:-1]:
        return var.unsqueeze(-1)
    rows = zip(input.aval.shape, var.aval.shape, strict=False)
    if input.ndim != var.ndim or [have for size, have in rows if have != size] != [1]:
        raise ValueError("var is of incorrect size")
    return var

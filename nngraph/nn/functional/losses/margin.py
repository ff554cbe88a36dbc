"""Losses that are zero beyond a margin, or fade there."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.losses.reduction import legacy_reduction, reduced

__all__ = ["hinge_embedding_loss", "margin_ranking_loss", "soft_margin_loss", "triplet_margin_loss"]


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-y x))``."""
    losses = ops.softplus(-target * input)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -y (x1 - x2) + margin)``."""
    losses = (-target * (input1 - input2) + margin).clamp(min=0)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1."""
    apart = where(target.eq(1), 0.0, (margin - input).clamp(min=0))
    losses = apart + where(target.eq(-1), 0.0, input)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(a, p) - d(a, n) + margin)``; ``swap`` also looks at ``d(p, n)``."""
    from nngraph.nn.functional.products import pairwise_distance

    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    losses = (margin + near - far).clamp(min=0)  # in this order: halves round
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))

"""Losses that are zero beyond a margin, or fade there."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64
from nngraph.nn.functional.activation import logsigmoid
from nngraph.nn.functional.losses.reduction import legacy_reduction, reduced
from nngraph.nn.functional.products import pairwise_distance

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@autocasts
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-y x))``.

    Raises:
        RuntimeError: if the losses have another shape than ``input``.
    """
    losses = ops.softplus(-target * input)
    if losses.aval.shape != input.aval.shape:
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(losses.shape)}: soft_margin_loss() broadcasts the target only"
        )
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


@autocasts
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -y (x1 - x2) + margin)``.

    Raises:
        RuntimeError: for different numbers of axes.
    """
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    losses = (-target * (input1 - input2) + float(margin)).clamp(min=0)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


@autocasts
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1."""
    need_floats("hinge_embedding_loss", input)
    apart = where(target.eq(1), 0.0, (margin - input).clamp(min=0))
    losses = apart + where(target.eq(-1), 0.0, input)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


@autocasts
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
    """``max(0, d(a, p) - d(a, n) + margin)``; ``swap`` also looks at ``d(p, n)``.

    Raises:
        ValueError: if the margin is not positive.
        RuntimeError: for different numbers of axes.
    """
    _need_triplet(anchor, positive, negative, margin)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    losses = (margin + near - far).clamp(min=0)  # in this order: halves round
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def _need_triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(a, p) - d(a, n) + margin)`` for any distance ``d``, ``pairwise_distance`` if None.

    Raises:
        ValueError: for another reduction, or a margin that is not positive.
        RuntimeError: for different numbers of axes.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    _need_triplet(anchor, positive, negative, margin)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)


@autocasts
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1.

    Raises:
        RuntimeError: unless the inputs are ``[N, D]`` with targets ``[N]``, or ``[D]`` with one.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.ndim > 1 or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            "cosine_embedding_loss: 1D target tensor expects 2D input tensors, 0D target tensor 1D "
            f"ones, but found {input1.aval}, {input2.aval} and target {target.aval}"
        )
    least = 1e-12
    product = (input1 * input2).sum(-1)
    sizes = ((input1 * input1).sum(-1) + least) * ((input2 * input2).sum(-1) + least)
    cosine = product / sizes.sqrt()
    losses = where(target.eq(1), 1 - cosine, 0.0)
    losses = losses + where(target.eq(-1), (cosine - margin).clamp(min=0), 0.0)
    return reduced(losses, reduction)


@autocasts
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the other classes of ``max(0, margin - x[y] + x[i])^p``.

    Args:
        input: scores ``[N, C]`` or ``[C]``.
        target: classes ``[N]``, or one.
        p: 1 or 2.
        margin: how far the target's score should be ahead.
        weight: ``[C]``, how much each class counts.
        size_average, reduce: deprecated forms of ``reduction``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for another ``p`` or a weight of more axes.
        RuntimeError: for other shapes.
    """
    need_floats("multi_margin_loss", input)
    reduction = legacy_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    _need_scores(input)
    rows = input if input.ndim == 2 else input.reshape(1, input.numel())
    if target.ndim > 1 or target.numel() != rows.shape[0]:
        raise RuntimeError(f"inconsistent target size: {target.aval} for input {input.aval}")
    classes = cast("int", rows.shape[1])
    if weight is not None and weight.shape[0] != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {weight.aval}")
    index = ops.from_start(target.reshape(-1, 1), "multi_margin_loss")
    others = ops.one_hot(target.reshape(-1), classes, int64).eq(0)
    ahead = margin - rows.gather(1, index) + rows
    terms = where(others & (ahead > 0), ahead, 0.0)
    terms = terms if p == 1 else terms * terms
    if weight is not None:
        terms = terms * weight.index_select(0, target.reshape(-1)).unsqueeze(1)
    losses = terms.sum(1) / classes
    return reduced(losses.reshape(target.aval.shape) if not target.ndim else losses, reduction)


def _need_scores(input: Tensor) -> None:
    if input.ndim > 2 or 0 in input.aval.shape[input.ndim - 1 :]:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, "
            f"but got: {list(input.shape)}"
        )


@autocasts
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over all pairs of a label and another class of ``max(0, 1 - x[label] + x[other])``.

    Args:
        input: scores ``[N, C]`` or ``[C]``.
        target: int64 in the input's shape: the labels, and from the first -1 on anything.
        size_average, reduce: deprecated forms of ``reduction``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        RuntimeError: for other shapes and dtypes, or a label that is no class.
    """
    need_floats("multilabel_margin_loss", input)
    reduction = legacy_reduction(size_average, reduce, reduction)
    _need_scores(input)
    if target.aval.shape != input.aval.shape or target.dtype is not int64:
        raise RuntimeError(
            f"inconsistent target size: {target.aval} for input {input.aval}; it must be int64 "
            "of the same shape"
        )
    classes = cast("int", input.shape[-1]) if input.ndim else 1
    rows, labels = (t.reshape(-1, classes) for t in (input, target))
    valid = labels.lt(0).to(int64).cumsum(1).eq(0)
    fits = (labels >= -1).all() & (labels < classes).all()
    message = f"target is out of range: labels must be from -1 to {classes - 1}"
    rows = ops.require(rows, fits, message)
    places = where(valid, labels, 0)
    is_label = labels.new_zeros(labels.aval.shape).scatter_add(1, places, valid.to(int64)).gt(0)
    ahead = 1 - rows.gather(1, places).unsqueeze(2) + rows.unsqueeze(1)
    counted = valid.unsqueeze(2) & is_label.logical_not().unsqueeze(1) & (ahead > 0)
    losses = where(counted, ahead, 0.0).sum((1, 2)) / classes
    return reduced(losses if input.ndim == 2 else losses.squeeze(0), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of ``-(y log s(x) + (1 - y) log s(-x))`` with the sigmoid ``s``."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced(losses.sum(-1) / cast("int", input.shape[-1]), reduction)

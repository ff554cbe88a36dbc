"""Loss functions."""

from __future__ import annotations

import warnings
from typing import Any, cast

from nngraph import ops
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that PyTorch's old arguments ask for."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def reduced(values: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or all values.

    Raises:
        ValueError: for another reduction.
    """
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return values


def _same_size(input: Tensor, target: Tensor) -> None:
    if input.type.shape != target.type.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=4,
        )


def _weighted(values: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """With weights the mean is over the weights' sum."""
    if weight is None:
        return reduced(values, reduction)
    total = (values * weight).sum() if reduction == "mean" else reduced(values * weight, reduction)
    return total / weight.expand(*values.shape).sum() if reduction == "mean" else total


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(x - y)^2``."""
    _same_size(input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _weighted((input - target).square(), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|x - y|``."""
    _same_size(input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _weighted((input - target).abs(), weight, reduction)


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
    _same_size(input, target)
    d = (input - target).abs()
    return reduced(where(d < beta, d.square() * (0.5 / beta), d - 0.5 * beta), reduction)


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
    _same_size(input, target)
    d = (input - target).abs()
    return _weighted(
        where(d <= delta, d.square() * 0.5, (d - 0.5 * delta) * delta), weight, reduction
    )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits ``[N, C, ...]`` (or ``[C]``) and a target.

    Args:
        input: unnormalized scores.
        target: class indices ``[N, ...]``, or probabilities in the input's shape.
        weight: ``[C]``, how much each class counts; means are over the weights' sum.
        size_average, reduce: deprecated forms of ``reduction``.
        ignore_index: targets of this class do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: how much of the target is spread over all classes.

    Raises:
        RuntimeError, ValueError: for sizes, dtypes and options that do not fit.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.dtype.is_floating_point:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
        out = cross_entropy(
            input, target, weight, None, ignore_index, None, reduction, label_smoothing
        )
        return out.squeeze(0) if reduction == "none" else out
    return ops.cross_entropy(input, target, weight, ignore_index, label_smoothing, reduction)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """The target is a distribution over the classes."""
    if input.type.shape != target.type.shape:
        raise RuntimeError(
            f"cross_entropy: the target of probabilities is {target.type}; it must "
            f"have the shape of the input, {input.type}"
        )
    axis = 0 if input.ndim == 1 else 1
    classes = cast("int", input.shape[axis])
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = input.log_softmax(axis) * target
    if weight is not None:
        terms = terms * _per_class(weight, input.ndim)
    loss = -terms.sum(axis)
    if reduction == "mean":
        return loss.sum() / max(cast("int", loss.numel()), 1)
    return reduced(loss, reduction)


def _per_class(weight: Tensor, rank: int) -> Tensor:
    return weight.reshape(-1, *(1,) * (rank - 2)) if rank > 1 else weight


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability ``[N, C, ...]`` at the target class ``[N, ...]``.

    Raises:
        ValueError: if the batch sizes differ, or for another reduction.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
        out = nll_loss(input, target, weight, None, ignore_index, None, reduction)
        return out.squeeze(0) if reduction == "none" else out
    if input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )
    counted = target.ne(ignore_index)
    safe = target.masked_fill(counted.logical_not(), 0)
    picked = -input.gather(1, safe.unsqueeze(1)).squeeze(1)
    scale = counted.to(input.dtype)
    if weight is not None:
        scale = scale * weight.index_select(0, safe.reshape(-1)).reshape(safe.shape)
    losses = where(counted, picked * scale, 0.0)
    return losses.sum() / scale.sum() if reduction == "mean" else reduced(losses, reduction)


def _log_at_least(x: Tensor, low: float) -> Tensor:
    return x.log().clamp(min=low)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(y log x + (1 - y) log(1 - x))`` for probabilities, logarithms being at least -100.

    Raises:
        ValueError: if the shapes differ.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input.type.shape != target.type.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input "
            f"size ({input.shape}) is deprecated. Please ensure they have the same "
            "size."
        )
    losses = (target - 1) * _log_at_least(1 - input, -100.0) - target * _log_at_least(input, -100.0)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy`` of ``sigmoid(x)``, without overflow.

    Raises:
        ValueError: if the shapes differ.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input.type.shape != target.type.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    log_p = where(input < 0, input, 0.0) - (-input.abs()).exp().log1p()
    if pos_weight is not None:
        losses = (1 - target) * input - ((pos_weight - 1) * target + 1) * log_p
    else:
        losses = (1 - target) * input - log_p
    return reduced(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``y (log y - x)`` for log-probabilities ``x``; ``"batchmean"`` is the sum over ``N``."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        positive = target > 0
        logs = where(positive, target, 1.0).log()
        losses = where(positive, target * logs, target * 0) - target * input
    if reduction == "batchmean":
        return losses.sum() / cast("int", input.shape[0] if input.ndim else 1)
    return reduced(losses, reduction)


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
        safe = where(target > 1, target, 1.0)
        stirling = safe * safe.log() - safe + (safe * 6.283185307179586).log() * 0.5
        losses = losses + where(target > 1, stirling, 0.0)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``(log v + (x - y)^2 / v) / 2`` with ``v = max(var, eps)``, which gets its full gradient."""
    if not isinstance(var, Tensor):
        var = input.detach() * 0 + var
    elif var.ndim == input.ndim - 1 and var.type.shape == input.type.shape[:-1]:
        var = var.unsqueeze(-1)
    var = var + (var.detach().clamp(min=eps) - var.detach())
    losses = (var.log() + (input - target).square() / var) * 0.5
    return reduced(losses + 0.9189385332046727 if full else losses, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-y x))``."""
    z = -target * input
    losses = where(z > 0, z, 0.0) + (-z.abs()).exp().log1p()
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
    losses = (near - far + margin).clamp(min=0)
    return reduced(losses, legacy_reduction(size_average, reduce, reduction))

"""Losses of classes and of distributions over them."""

from __future__ import annotations

import math
import warnings
from typing import cast

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64, uint8
from nngraph.nn.functional.losses.options import LinearCrossEntropyOptions
from nngraph.nn.functional.losses.reduction import legacy_reduction, reduced
from nngraph.nn.functional.products import linear
from nngraph.nn.functional.sizes import need_shape

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "linear_cross_entropy",
    "nll_loss",
]


@autocasts
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
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if input.ndim and input.aval.shape == target.aval.shape:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.name}"
        )
    _need_batch(input, target)
    if target.dtype is not int64 and target.dtype is not uint8:
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {target.dtype.name}; "
            "write target.long()"
        )
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.reshape(1)
        out = cross_entropy(
            input, target, weight, None, ignore_index, None, reduction, label_smoothing
        )
        return out.squeeze(0) if reduction == "none" else out
    return ops.cross_entropy(input, target, weight, ignore_index, label_smoothing, reduction)


def _need_batch(input: Tensor, target: Tensor) -> None:
    """Refuses as many targets as there are no inputs.

    Raises:
        ValueError: with both numbers.
    """
    if input.ndim == 1:
        if target.ndim > 1 or (target.ndim == 1 and target.shape[0] != 1):
            raise ValueError(f"For 1D input, 1D target must have size 1, but got {target.aval}")
    elif input.ndim and (target.ndim == 0 or input.aval.shape[0] != target.aval.shape[0]):
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0] if target.ndim else 0})."
        )


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """The target is a distribution over the classes."""
    if input.aval.shape != target.aval.shape:
        _need_batch(input, target)
        raise RuntimeError(
            f"cross_entropy: the target of probabilities is {target.aval}; it must "
            f"have the shape of the input, {input.aval}"
        )
    axis = 0 if input.ndim == 1 else 1
    classes = cast("int", input.shape[axis])
    need_shape("the weight of cross_entropy", weight, input.aval.shape[axis])
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = input.log_softmax(axis) * target
    if weight is not None:
        terms = terms * _per_class(weight, input.ndim)
    if not classes and reduction == "mean":  # how many samples there are is 0 / 0
        return terms.mean()
    return reduced(-terms.sum(axis), reduction)


def _per_class(weight: Tensor, rank: int) -> Tensor:
    return weight.reshape(-1, *(1,) * (rank - 2)) if rank > 1 else weight


@autocasts
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
    need_floats("nll_loss", input)
    if not input.ndim:
        raise ValueError("nll_loss: Expected 1 or more dimensions (got 0)")
    _need_batch(input, target)
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.reshape(1)
        out = nll_loss(input, target, weight, None, ignore_index, None, reduction)
        return out.squeeze(0) if reduction == "none" else out
    need_shape("the weight of nll_loss", weight, input.aval.shape[1])
    need_shape("the target of nll_loss", target, input.aval.shape[0], *input.aval.shape[2:])
    counted = target.ne(ignore_index)
    safe = target.masked_fill(counted.logical_not(), 0)
    picked = -input.gather(1, safe.unsqueeze(1)).squeeze(1)
    scale = counted.to(input.dtype)
    if weight is not None:
        scale = scale * weight.index_select(0, safe.reshape(-1)).reshape(safe.shape)
    losses = where(counted, picked * scale, 0.0)
    return losses.sum() / scale.sum() if reduction == "mean" else reduced(losses, reduction)


@autocasts
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
        RuntimeError: if an element of either is not from 0 to 1; of a compiled function, by the
            call, which changes nothing.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input.aval.shape != target.aval.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input "
            f"size ({input.shape}) is deprecated. Please ensure they have the same "
            "size."
        )
    losses = ops.binary_cross_entropy(*promoted(input, target))
    loss = reduced(losses if weight is None else losses * weight, reduction)
    for name, x in (("input", input), ("target", target)):
        message = f"all elements of {name} should be between 0 and 1"
        loss = ops.require(loss, _are_shares(x), message)
    return loss


def _are_shares(x: Tensor) -> Tensor:
    x = x.detach()
    return x.ge(0).logical_and(x.le(1)).all()


@autocasts
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
    if input.aval.shape != target.aval.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    missed = ops.softplus(-input)  # -log(sigmoid(x))
    if pos_weight is not None:
        losses = (1 - target) * input + ((pos_weight - 1) * target + 1) * missed
    else:
        losses = (1 - target) * input + missed
    losses = losses.to(target.dtype) if losses.dtype is not target.dtype else losses
    return reduced(losses if weight is None else losses * weight, reduction)


@autocasts
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
    need_floats("kl_div", input, target)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = target.xlogy(target) - target * input
    if reduction == "batchmean":
        return losses.sum() / cast("int", input.shape[0] if input.ndim else 1)
    return reduced(losses, reduction)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    Args:
        input: ``[N, in]`` or ``[in]``.
        linear_weight: ``[C, in]``, or ``[C, *, in]`` for several losses of a sample.
        target: classes ``[N, *]``, or probabilities ``[N, C, *]``.
        linear_bias: ``[C, *]``.
        weight, reduction, ignore_index, label_smoothing: of ``cross_entropy``.
        options: how PyTorch cuts the batch to save memory; it changes nothing here.

    Raises:
        RuntimeError: for shapes that do not fit.
    """
    _need_linear(input, linear_weight, linear_bias)
    classes, *more, width = linear_weight.aval.shape
    shape = (*input.aval.shape[:-1], classes, *more)
    if target.aval.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    flat = math.prod(cast("list[int]", [classes, *more]))
    bias = None if linear_bias is None else linear_bias.reshape(flat)
    logits = linear(input, linear_weight.reshape(flat, width), bias).reshape(*shape)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _need_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.ndim}"
        )
    if input.aval.shape[-1] != weight.aval.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and bias.aval.shape != weight.aval.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {weight.shape[:-1]}, got {bias.aval.shape}")
    if weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            f"batched input, (N, {input.shape[-1]}), got unbatched input"
        )

"""What becomes of the losses of single elements: their mean, their sum, or themselves."""

from __future__ import annotations

import warnings

from nngraph.frontend.tensor import Tensor

__all__ = ["legacy_reduction", "need_weights", "reduced", "warn_of_sizes", "weighted"]


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that PyTorch's old arguments ask for."""
    if size_average is None and reduce is None:
        return reduction
    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.",
        stacklevel=3,
    )
    return meant


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


def warn_of_sizes(input: Tensor, target: Tensor) -> None:
    """Warns the caller of the loss where sizes differ, and what follows would broadcast."""
    if input.aval.shape != target.aval.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=4,
        )


def need_weights(weight: Tensor, input: Tensor) -> None:
    """Refuses weights of another size than the input.

    Raises:
        ValueError: with both.
    """
    if weight.aval.shape != input.aval.shape:
        raise ValueError(
            "Weights and input must have the same size, "
            f"but they are {weight.aval} and {input.aval}"
        )


def weighted(values: Tensor, weight: Tensor | None, reduction: str, input: Tensor) -> Tensor:
    """With weights, of the input's size, the mean is over the weights' sum.

    Raises:
        ValueError: for weights of another size.
    """
    if weight is None:
        return reduced(values, reduction)
    need_weights(weight, input)
    total = (values * weight).sum() if reduction == "mean" else reduced(values * weight, reduction)
    return total / weight.expand(*values.shape).sum() if reduction == "mean" else total

"""Distances of rows, norms that are limited, sums with products."""

from __future__ import annotations

import math

from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.linalg import plus
from nngraph.frontend.functional.variants import everywhere, function
from nngraph.frontend.tensor import Tensor
from nngraph.ops.core import normalize_axis

__all__ = ["addbmm", "addr", "cdist", "renorm"]

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def norm_of(difference: Tensor, p: float) -> Tensor:
    """The norm along the last dimension; each of several equal maxima gets the whole gradient."""
    apart = difference.abs()
    if p == 0:
        return apart.ceil().clamp(max=1).sum(-1)
    if not math.isinf(p):
        return difference.norm(p, -1)
    most = apart.detach().amax(-1)
    held = apart.where(apart.eq(most.unsqueeze(-1)), 0.0).sum(-1)
    return (most + (held - held.detach())).where(most.isfinite(), most)


@function
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = _MODES[0]) -> Tensor:
    """``[..., P, R]``: the norms of the differences of each row of x1 and each of x2.

    Args:
        x1: ``[..., P, M]``.
        x2: ``[..., R, M]``; batches broadcast.
        p: of the norm.
        compute_mode: PyTorch's names of ways; here differences are always taken first.

    Raises:
        RuntimeError: for shapes or dtypes that do not fit, or a negative p.
    """
    if compute_mode not in (None, *_MODES):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {x.dtype.name}"
            )
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.aval.shape[-1] != x2.aval.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.aval} X2: {x2.aval}"
        )
    if x1.dtype is not x2.dtype:
        raise RuntimeError(
            f"cdist: expected one dtype, got {x1.dtype.name} and {x2.dtype.name}; convert one"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    if difference.aval.shape[-1] == 0:
        return difference.sum(-1)
    return norm_of(difference, float(p))


@everywhere
def renorm(
    input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None
) -> Tensor:
    """Each slice along a dimension, scaled down to a norm of ``maxnorm`` if it has more.

    Raises:
        RuntimeError: for less than two dimensions, integers, or a p that is not positive.
    """
    need_floats("renorm", input)
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    axis = normalize_axis(dim, input.ndim, "renorm")
    others = [a for a in range(input.ndim) if a != axis]
    within = input.detach().norm(p, others, True).gt(maxnorm).logical_not()
    norm = input.masked_fill(within, 0).norm(p, others, True)
    scale = (maxnorm / (norm + 1e-7)).masked_fill(within, 1.0)
    return input * scale


@everywhere
def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * vec1 vec2^T``."""
    return plus(input, vec1.outer(vec2), beta, alpha)


@everywhere
def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (the sum of the products of a batch)``."""
    return plus(input, batch1.bmm(batch2).sum(0, dtype=batch1.dtype), beta, alpha)

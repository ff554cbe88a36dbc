"""Quantiles, modes, counts in bins, covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.axes import one_axis
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.kinds import need_floats, need_numbers
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.tensor import Extremes, Tensor
from nngraph.ir.dtypes import float32, float64, int32, int64
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "bucketize", "corrcoef", "cov", "histc", "isin", "mode", "nanmedian", "nanquantile", "quantile",
    "searchsorted", "unique_consecutive",
]
# fmt: on

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    name: str,
    input: Tensor,
    q: Any,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    skips: bool,
) -> Tensor:
    if input.dtype not in (float32, float64):
        raise RuntimeError(
            f"{name}() input tensor must be either float or double dtype, got {input.dtype.name}"
        )
    if interpolation not in _WAYS:
        raise RuntimeError(
            f"{name}() interpolation must be one of {', '.join(_WAYS)}, but got {interpolation}"
        )
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    wanted = as_tensor(q, dtype=input.dtype) if not isinstance(q, Tensor) else q
    if wanted.ndim > 1 or wanted.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}() q must be a number, or a tensor without axes or with one and of the "
            f"input's dtype {input.dtype.name}, got {wanted.aval}"
        )
    if not isinstance(q, Tensor) and not 0 <= q <= 1:
        raise RuntimeError(f"{name}() q values must be in the range [0, 1], got {q}")
    x = input.flatten() if dim is None else input
    x, axis = one_axis(x, 0 if dim is None else dim)
    found = _at_ranks(x.movedim(axis, -1), wanted.reshape(-1), interpolation, skips)
    shape = [1] * input.ndim if dim is None else list(input.shape)
    if dim is not None and input.ndim:
        shape[axis] = 1
    if keepdim:
        found = found.reshape([wanted.numel(), *shape])
    return found if wanted.ndim else found.squeeze(0)


def _at_ranks(x: Tensor, q: Tensor, way: str, skips: bool) -> Tensor:
    """``[Q, ...]``: of each row the elements at the shares ``q``."""
    rows = x.sort(-1).values
    nan = x.detach().isnan()
    count = nan.logical_not().sum(-1, keepdim=True) if skips else None
    last = rows.shape[-1] - 1
    ranks = q * last if count is None else q * (count - 1).clamp(min=0).to(x.dtype)
    ranks = ranks.expand(*x.shape[:-1], q.shape[0])
    if count is None:  # NaN anywhere is what is found everywhere
        ranks = ranks.masked_fill(nan.any(-1, keepdim=True), last)
    if way == "lower":
        ranks = ranks.floor()
    elif way == "higher":
        ranks = ranks.ceil()
    elif way == "nearest":
        ranks = ranks.round()
    below = ranks.detach().floor()
    first = rows.gather(-1, below.long())
    if way in ("linear", "midpoint"):
        second = rows.gather(-1, ranks.detach().ceil().long())
        share = below * 0 + 0.5 if way == "midpoint" else ranks - below
        first = first.lerp(second, share)
    return first.movedim(-1, 0)


@both
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The element below which a share ``q`` of the others is, or between two; NaN if one is.

    Args:
        input: float32 or float64.
        q: a share, or a vector of them, which come first in the result's dimensions.
        dim: None: of all elements.
        keepdim: the dimension stays, with size 1.
        interpolation: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or ``"nearest"``.
        out: where to write.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@both
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """``quantile`` of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


@both
def nanmedian(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: tuple[Tensor, Tensor] | None = None,
) -> Any:
    """``median`` of what is not NaN; NaN if nothing is."""
    if not input.dtype.is_floating_point:
        return input.median() if dim is None else input.median(dim, keepdim)
    if dim is None:
        return nanmedian(input.flatten(), 0).values if input.numel() else input.median()
    source, axis = one_axis(input, dim)
    if source.aval.shape[axis] == 0:
        return input.median(dim, keepdim)
    values, places = source.sort(axis)
    count = source.detach().isnan().logical_not().sum(axis, keepdim=True)
    middle = (count - 1).clamp(min=0).div(2, rounding_mode="floor")
    found = [t.gather(axis, middle) for t in (values, places)]
    if not keepdim or not input.ndim:
        found = [t.squeeze(axis) for t in found]
    return Extremes(*found)


@both
def mode(
    input: Tensor, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None
) -> Extremes:
    """The most frequent element along a dimension, of several the least, and its last place."""
    source, axis = one_axis(input, dim)
    if source.aval.shape[axis] == 0:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    x = source.movedim(axis, -1)
    values, places = x.detach().sort(-1)
    often = values.unsqueeze(-1).eq(values.unsqueeze(-2)).sum(-1)
    size = values.shape[-1]
    last = size - 1 - often.eq(often.amax(-1, keepdim=True)).to(int64).argmax(-1, keepdim=True)
    first = size - 1 - last
    place = places.gather(-1, first + often.gather(-1, first).sub(1).clamp(min=0))
    found = [x.gather(-1, place), place]
    if keepdim and input.ndim:
        return Extremes(*(t.movedim(-1, axis) for t in found))
    return Extremes(*(t.squeeze(-1) for t in found))


@function
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where in a sorted sequence elements would be inserted: before their equals, or behind them.

    Args:
        sorted_sequence: sorted along its last dimension; one, or one for each row of the input.
        input: a number or a tensor.
        out_int32: int32 in place of int64.
        right: behind their equals.
        side: ``"left"`` or ``"right"``, which says the same.
        sorter: indices that sort the sequence.
        out: where to write.

    Raises:
        RuntimeError: for shapes that do not fit.
    """
    values = as_tensor(input, dtype=None if isinstance(input, Tensor) else sorted_sequence.dtype)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(
            "torch.searchsorted(): side can only be 'left' or 'right', and the same as right, got "
            f"{side!r} and right={right}"
        )
    sequence = sorted_sequence
    need_numbers("searchsorted", sequence.dtype)
    if sequence.ndim == 0:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when sequence has one dimension"
        )
    if sorter is not None:
        if sorter.dtype is not int64 or sorter.aval.shape != sequence.aval.shape:
            raise RuntimeError(
                "torch.searchsorted(): sorter must be int64 and of the sequence's shape "
                f"{sequence.aval}, got {sorter.aval}"
            )
        sequence = sequence.gather(-1, sorter)
    if sequence.ndim != 1 and sequence.aval.shape[:-1] != values.aval.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            f"dimensions of boundaries tensor and input value tensor must match, but got "
            f"{sequence.aval} and {values.aval}"
        )
    found = bisected(sequence, values, right or side == "right")
    return found.to(int32) if out_int32 else found


def bisected(sequence: Tensor, values: Tensor, right: bool) -> Tensor:
    """By bisection, a gather for each halving, in PyTorch's steps where NaN breaks the order."""
    size = int(sequence.aval.static_shape[-1])
    v, s = values.detach(), sequence.detach()
    start = v.new_zeros(v.shape, dtype=int64)
    end = start + size
    for _ in range(size.bit_length()):
        middle = (start + end).div(2, rounding_mode="floor")
        at = middle.clamp(max=size - 1)
        found = s[at] if s.ndim == 1 else s.gather(-1, at)
        ahead = (found.gt(v) if right else found.ge(v)) & start.lt(end)
        behind = ahead.logical_not() & start.lt(end)
        end, start = middle.where(ahead, end), (middle + 1).where(behind, start)
    return start


@function
def bucketize(
    input: Any,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``searchsorted`` in one sequence of boundaries."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@both
def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements are in each of ``bins`` equal parts of ``[min, max]``.

    With ``min`` equal to ``max`` the range is that of the elements, which are then looked at.

    Raises:
        RuntimeError: for no bins, a range that is empty or not finite.
    """
    need_floats("histc", input)
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, got {bins}")
    low, high = float(min), float(max)
    if low == high and input.numel():
        values = elements(input, "histc() without min= and max=").astype(np.float64)
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    if not np.isfinite(high - low):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    x = input.detach().flatten()
    inside = x.ge(low) & x.le(high)
    place = ((x - low) / (high - low) * bins).where(inside, 0).long().clamp(max=bins - 1)
    return x.new_zeros(bins).scatter_add(0, place, inside.to(x.dtype))


@function
def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element is one of others; ``invert``: whether it is none of them."""
    pair = [elements, test_elements]
    if not any(isinstance(x, Tensor) for x in pair):
        raise TypeError("isin(): one of elements and test_elements must be a Tensor")
    known, tested = (x.detach() if isinstance(x, Tensor) else as_tensor(x) for x in pair)
    need_numbers("isin", known.dtype, tested.dtype)
    found = known.unsqueeze(-1).eq(tested.flatten()).any(-1)
    return found.logical_not() if invert else found


@both
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """Covariances of variables, the rows, over observations, the columns.

    Args:
        input: one dimension (one variable) or two.
        correction: taken from the number of observations.
        fweights: integers, how often each observation was made.
        aweights: floats, how much each counts.
    """
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got {input.ndim}-D"
        )
    need_numbers("cov", input.dtype)
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.is_floating_point else x.float()
    weights = _weights(x, fweights, aweights)
    if weights is None:
        norm: Any = float(x.shape[1] - correction)
        average = x.mean(1, keepdim=True)
        scaled = x - average
        other = scaled
    else:
        total = weights.sum()
        average = (x * weights).sum(1, keepdim=True) / total
        scaled = x - average
        other = scaled * weights
        norm = total - correction
        if aweights is not None:
            by = weights * aweights.to(weights.dtype)
            norm = total - correction * by.sum() / total
    found = other @ scaled.mT / (norm if isinstance(norm, Tensor) else np.maximum(norm, 0.0).item())
    return found.squeeze()


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is not None and (w.ndim > 1 or w.numel() != x.shape[1]):
            raise RuntimeError(f"cov(): expected {name} of {x.shape[1]} elements, got {w.aval}")
    if fweights is not None and fweights.dtype.is_floating_point:
        raise RuntimeError(f"cov(): expected fweights to have integral dtype, got {fweights.aval}")
    if aweights is not None and not aweights.dtype.is_floating_point:
        raise RuntimeError(f"cov(): expected aweights to have floating point dtype, got {aweights}")
    given = [w.to(x.dtype) for w in (fweights, aweights) if w is not None]
    return given[0] * given[1] if len(given) == 2 else given[0] if given else None


@both
def corrcoef(input: Tensor) -> Tensor:
    """Correlations of variables, the rows, from -1 to 1."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got {input.ndim}-D"
        )
    found = cov(input)
    if not found.ndim:
        return found / found
    deviation = found.diagonal().sqrt()
    return (found / deviation.unsqueeze(1) / deviation).clamp(-1, 1)


@both
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Elements that differ from the one before them, where each went, and how often it was there.

    Args:
        input: the elements; the shape of the result depends on them, so eager only.
        return_inverse: also give where in the result each element is.
        return_counts: also give how often each was there in a row.
        dim: compare the slices along this dimension instead of elements.
    """
    given = elements(input, "unique_consecutive()")
    axis = 0 if dim is None else normalize_axis(dim, input.ndim, "unique_consecutive")
    line = given.reshape(-1) if dim is None else np.moveaxis(given, axis, 0)
    if dim is not None and line.size == 0 and len(line):
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    starts = np.ones(len(line), bool)
    starts[1:] = (line[1:] != line[:-1]).any(tuple(range(1, line.ndim)))
    inverse = np.cumsum(starts) - 1
    counts = np.bincount(inverse, minlength=0) if len(line) else np.zeros(0, np.int64)
    values = line[starts] if dim is None else np.moveaxis(line[starts], 0, axis)
    inverse = inverse.reshape(given.shape) if dim is None else inverse
    wanted = [values, *[inverse] * return_inverse, *[counts] * return_counts]
    found = [ops.constant(np.asarray(a, order="C"), input) for a in wanted]
    return found[0] if len(found) == 1 else tuple(found)

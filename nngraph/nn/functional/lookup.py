"""Rows of tables, one by one or in bags, and one-hot rows."""

from __future__ import annotations

from typing import cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.rows import mark
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64

__all__ = ["embedding", "embedding_bag", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight [V, D]``; row ``padding_idx`` gets no gradient.

    Args:
        input: integers ``[*]``.
        weight: the table.
        padding_idx: a row that is padding.
        max_norm: rows that are read and whose norm is larger are first scaled to it, in place.
        norm_type: the order of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it is read.
        sparse: the gradient of a table that is a parameter knows its rows (``is_sparse``), which is
            what ``optim.SparseAdam`` goes by.

    Raises:
        AssertionError: if ``padding_idx`` is out of range.
        RuntimeError: if the input holds no integers.
    """
    _need_integers("embedding", input)
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got {weight.aval}")
    padding_idx = _padding(padding_idx, weight)
    if max_norm is not None:
        _renormalize(weight, input, max_norm, norm_type)
    found = ops.embedding(weight, input, padding_idx)
    if sparse:
        mark(found)
    return _by_frequency(found, input, weight) if scale_grad_by_freq else found


def _need_integers(name: str, input: Tensor) -> None:
    if not input.dtype.is_integer:
        raise RuntimeError(
            f"{name}: expected indices of an integer type; got {input.dtype.name} (use ids.long())"
        )


def _padding(place: int | None, weight: Tensor) -> int | None:
    rows = cast("int", weight.shape[0])
    if place is None:
        return None
    if not -rows <= place < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return place % rows


def _renormalize(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the rows that are read to ``max_norm`` where their norm is larger."""
    with no_grad():
        norms = weight.norm(norm_type, 1, keepdim=True)
        flat = input.reshape(-1).to(int64)
        rows = weight.shape[0]
        read = zeros(rows, dtype=int64).index_add(0, flat, flat * 0 + 1).gt(0).unsqueeze(1)
        long = read & (norms > max_norm)
        weight.copy_(where(long, weight * (max_norm / (norms + 1e-7)), weight))


def _by_frequency(found: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    """``found``, whose gradient is divided by how often each row is read."""
    flat = input.reshape(-1).to(int64)
    counts = zeros(weight.shape[0], dtype=int64).index_add(0, flat, flat * 0 + 1)
    share = 1 / counts.index_select(0, flat).to(found.dtype)
    scaled = found * share.reshape(*input.aval.shape, 1)
    return found.detach() + (scaled - scaled.detach())


@autocasts
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of ``weight [V, D]``: ``[B, D]``; zeros of none.

    Args:
        input: integers: ``[B, L]``, bags of one size, or ``[L]``, those of all bags in line.
        weight: the table.
        offsets: where each bag in line begins; the first is 0.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in ``embedding``.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: of the input's shape, factors of the rows of a sum.
        include_last_offset: the last of the offsets is where the last bag ends.
        padding_idx: a row that does not count.

    Raises:
        ValueError: for shapes or a mode that do not fit.
        NotImplementedError: for weights in another mode than ``"sum"``.
        RuntimeError: for offsets that do not begin at 0 or end beyond the input; in a compiled
            function they fail the call.
    """
    if per_sample_weights is not None and input.aval.shape != per_sample_weights.aval.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    _need_bags(input, offsets)
    _need_combination(mode, scale_grad_by_freq, sparse, per_sample_weights is not None)
    _need_integers("embedding_bag", input)
    need_floats("embedding_bag", weight)
    if max_norm is not None:
        _renormalize(weight, input, max_norm, norm_type)
    rows = ops.embedding(weight, input, _padding(padding_idx, weight))
    if sparse:
        mark(rows)
    rows = _by_frequency(rows, input, weight) if scale_grad_by_freq else rows
    counted = _counted(input, _padding(padding_idx, weight))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if input.ndim == 2:
        return _even_bags(rows, counted, mode)
    assert offsets is not None
    bags = cast("int", offsets.shape[0]) - include_last_offset
    rows = _checked(rows, offsets)
    return _uneven_bags(rows, counted, _bag_of(offsets[:bags], input), bags, mode)


def _need_bags(input: Tensor, offsets: Tensor | None) -> None:
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
            f"fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        raise ValueError(
            f"offsets has to be a 1D Tensor but got {None if offsets is None else offsets.aval}"
        )


def _need_combination(mode: str, by_frequency: bool, sparse: bool, weighted: bool) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and (by_frequency or sparse):
        raise ValueError("max mode does not support scaling the gradient, or sparse weights")
    if weighted and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )


def _counted(input: Tensor, padding_idx: int | None) -> Tensor:
    """Which of the indices are no padding, as bools."""
    if padding_idx is None:
        return ops.constant(np.ones((), bool), input).expand(*input.aval.shape)
    return input.ne(padding_idx)


def _even_bags(rows: Tensor, counted: Tensor, mode: str) -> Tensor:
    mask = counted.unsqueeze(-1)
    if not cast("int", rows.shape[1]):
        return rows.sum(1)
    if mode == "max":
        found = where(mask, rows, float("-inf")).max(1).values  # the gradient is the first's
        return where(mask.any(1), found, 0.0)
    total = where(mask, rows, 0.0).sum(1)
    return total if mode == "sum" else total / mask.sum(1).clamp(min=1).to(rows.dtype)


def _checked(rows: Tensor, offsets: Tensor) -> Tensor:
    if not offsets.numel():
        return rows
    begins = offsets[0].eq(0)
    rows = ops.require(rows, begins, "embedding_bag: offsets[0] has to be 0")
    ends = offsets[-1] <= rows.shape[0]
    message = f"embedding_bag: offsets[-1] can not be greater than input's length {rows.shape[0]}"
    checked: Tensor = ops.require(rows, ends, message)
    return checked


def _bag_of(offsets: Tensor, input: Tensor) -> Tensor:
    """The bag of each index."""
    count = cast("int", input.shape[0])
    starts = offsets.to(int64).clamp(0, count)
    marks = zeros(count + 1, dtype=int64).index_add(0, starts, starts * 0 + 1)
    return marks.cumsum(0)[:count] - 1


def _uneven_bags(rows: Tensor, counted: Tensor, bag: Tensor, bags: int, mode: str) -> Tensor:
    mask, empty = counted.unsqueeze(-1), rows.new_zeros(bags, rows.aval.shape[1])
    held = zeros(bags, dtype=int64).index_add(0, bag, counted.to(int64)).unsqueeze(1)
    if mode == "max":
        place = bag.unsqueeze(1).expand(*rows.aval.shape)
        values = where(mask, rows, float("-inf"))
        fixed = values.detach()
        most = (empty.detach() + float("-inf")).scatter_reduce(0, place, fixed, "amax")
        first = most.gather(0, place)
        ordinal = ops.iota(int64, (rows.shape[0], 1), 0, rows)
        last = cast("int", rows.shape[0]) - 1
        ordinal = where(fixed.eq(first) | fixed.isnan(), ordinal, last)
        line = empty.to(int64) + last
        chosen = line.scatter_reduce(0, place, ordinal, "amin")
        return where(held > 0, values.gather(0, chosen), 0.0)
    total = empty.index_add(0, bag, where(mask, rows, 0.0))
    return total if mode == "sum" else total / held.clamp(min=1).to(rows.dtype)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Int64 zeros with a one at each index: ``[...] -> [..., num_classes]``.

    Without ``num_classes`` the largest index decides, which needs its value.

    Raises:
        RuntimeError: for another dtype than int64.
        IndexError: where the values are known, for an index below 0 or not below ``num_classes``.
    """
    if input.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        num_classes = int(input.max().item()) + 1 if input.numel() else 0
        if not num_classes:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    # A row of zeros for an index that is none would go unnoticed: reading at it does not.
    classes = ops.iota(int64, (num_classes,), 0, input)
    places = ops.take(classes, ops.from_start(input, "one_hot"), 0)
    return ops.one_hot(places, num_classes, int64)

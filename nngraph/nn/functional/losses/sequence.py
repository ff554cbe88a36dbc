"""The loss of a sequence whose alignment to its labels is not known."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.tensor import Tensor
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import DType, bool_, int64
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type
from nngraph.nn.functional.losses.reduction import reduced

__all__ = ["ctc_loss"]

# Stands for the logarithm of 0: finite, so that differences of it are numbers.
_NEVER = -1e30

Lengths = Tensor | Sequence[int]


@autocasts
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log-probability of the labels over all their alignments.

    Args:
        log_probs: ``[T, N, C]`` or ``[T, C]``, logarithms of probabilities (``log_softmax``).
        targets: integers without ``blank``: ``[N, S]``, padded with anything, or those of all
            samples one after another, ``[sum(target_lengths)]``.
        input_lengths, target_lengths: of each sample, ``[N]``; of one sample, numbers.
        blank: the class that stands for no label.
        reduction: ``"mean"`` (of each loss by its labels), ``"sum"`` or ``"none"``.
        zero_infinity: a sample whose labels do not fit into its length counts as 0.

    The gradient of ``log_probs`` is, as in PyTorch, that of ``log_softmax``'s input: minus the
    probability of a class by the labels plus that by the model.

    Raises:
        RuntimeError: for shapes, lengths or a ``blank`` that do not fit; in a compiled function
            wrong lengths fail the call.

    Source: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    batched = log_probs.ndim == 3
    if not batched:
        log_probs, targets = log_probs.unsqueeze(1), targets.unsqueeze(0)
    _need_fit(log_probs, targets, blank)
    steps, samples = (int(cast("int", n)) for n in log_probs.aval.shape[:2])
    lengths = _lengths("input_lengths", input_lengths, samples, log_probs)
    counts = _lengths("target_lengths", target_lengths, samples, log_probs)
    labels = _labels(targets, counts, target_lengths, steps, blank)
    log_probs = _checked(log_probs, lengths, counts, targets)
    nll = _aligned(log_probs, labels, lengths, counts, blank)
    return _finished(nll, counts, reduction, zero_infinity, batched)


def _need_fit(log_probs: Tensor, targets: Tensor, blank: int) -> None:
    words = f"log_probs is {log_probs.aval}, targets {targets.aval}"
    if log_probs.ndim != 3 or 0 in log_probs.aval.shape or not log_probs.dtype.is_floating_point:
        raise RuntimeError(f"ctc_loss: log_probs must be floats [T, N, C] with elements; {words}")
    if not targets.dtype.is_integer:
        raise RuntimeError(f"ctc_loss: targets must be integers; {words}")
    if not 0 <= blank < cast("int", log_probs.shape[2]):
        raise RuntimeError(f"blank must be in label range, but it is {blank}; {words}")
    if targets.ndim not in (1, 2) or (
        targets.ndim == 2 and targets.aval.shape[0] != log_probs.aval.shape[1]
    ):
        raise RuntimeError(f"ctc_loss: targets must be [N, S] or of all samples in line; {words}")


def _lengths(what: str, given: Lengths, samples: int, like: Tensor) -> Tensor:
    """``[N]`` lengths as int64."""
    if not isinstance(given, Tensor):
        given = ops.constant(np.asarray(given, np.int64), like)
    if given.dtype.is_floating_point:
        raise RuntimeError(f"{what} must be integral, but got {given.aval}")
    if given.numel() != samples:
        raise RuntimeError(f"{what} must be of size batch_size {samples}, but got {given.aval}")
    return given.reshape(samples).to(int64)


def _checked(log_probs: Tensor, lengths: Tensor, counts: Tensor, targets: Tensor) -> Tensor:
    steps, longest = log_probs.shape[0], targets.shape[-1]
    for what, value, most in (
        ("input_lengths", lengths, steps),
        ("target_lengths", counts, longest),
    ):
        fits = (value >= 0) & (value <= most)
        message = f"Expected {what} to be from 0 to {most}, the size that holds them"
        log_probs = ops.require(log_probs, fits.all(), message)
    if targets.ndim == 1:
        message = f"target_lengths add up to more than the {longest} targets"
        log_probs = ops.require(log_probs, counts.sum() <= longest, message)
    return log_probs


def _labels(targets: Tensor, counts: Tensor, given: Lengths, steps: int, blank: int) -> Tensor:
    """``[N, S]`` labels, ``blank`` after the last of each sample."""
    longest = int(cast("int", targets.aval.shape[-1]))
    if targets.ndim == 1 and not isinstance(given, Tensor):
        longest = max(given, default=0)
    longest = min(longest, steps)  # more labels than steps cannot be aligned
    place = ops.constant(np.arange(longest, dtype=np.int64)[None], targets)
    if targets.ndim == 2:
        found = targets[:, :longest]
    elif not longest:
        found = targets.new_zeros(counts.shape[0], 0)
    else:
        first = (counts.cumsum(0) - counts).unsqueeze(1)
        index = (first + place).clamp(max=int(cast("int", targets.shape[0])) - 1)
        found = ops.take(targets, index, 0)
    return where(place < counts.unsqueeze(1), found.to(int64), blank)


def _aligned(
    log_probs: Tensor, labels: Tensor, lengths: Tensor, counts: Tensor, blank: int
) -> Tensor:
    """The loss of each sample; minus ``_NEVER`` or about it where none of the alignments fits."""
    steps, samples, _ = (int(cast("int", n)) for n in log_probs.aval.shape)
    longest = int(cast("int", labels.aval.shape[1]))
    size = 2 * longest + 1  # a blank before, between and after labels
    blanks = labels.new_full((samples, 1), blank)
    pairs = labels.unsqueeze(2).expand(samples, longest, 2) * ops.constant(np.array([0, 1]), labels)
    pairs = pairs + ops.constant(np.array([blank, 0]), labels)
    states = cat([pairs.reshape(samples, 2 * longest), blanks], 1)
    index = states.unsqueeze(0).expand(steps, samples, size)
    emitted = log_probs.gather(2, index).clamp(min=_NEVER)
    skips = cat([labels.new_zeros(samples, min(2, size)), states[:, 2:] - states[:, :-2]], 1).ne(0)
    skips = skips & states.ne(blank)
    time = ops.constant(np.arange(steps, dtype=np.int64)[:, None], labels)
    alive = (time < lengths).unsqueeze(2)
    start = np.full((samples, size), _NEVER)
    start[:, 0] = 0  # before the first step
    first = ops.constant(start.astype(log_probs.dtype.numpy), log_probs)
    body = _step(samples, size, log_probs.dtype)
    (last,) = ops.scan(body, [first], [skips], [emitted, alive], steps)
    # The model's own probabilities, whose sum no loss depends on.
    shown = where(alive, log_probs.exp(), 0.0).sum((0, 2))
    return _ends(last, counts, size) + (shown - shown.detach())


def _ends(last: Tensor, counts: Tensor, size: int) -> Tensor:
    """Minus the log-probability of having come to the last label or the blank after it."""
    end = counts.unsqueeze(1) * 2
    inside = end < size
    blank = last.gather(1, where(inside, end, 0))
    label = last.gather(1, where(inside & (end > 0), end - 1, 0))
    blank, label = where(inside, blank, _NEVER), where(inside & (end > 0), label, _NEVER)
    return -ops.logaddexp(blank, label).squeeze(1)


@functools.cache
def _step(samples: int, size: int, dtype: DType) -> Subgraph:
    """One step of the forward recursion over the states ``[N, 2 S + 1]``."""
    graph = Graph("ctc")
    state = graph.add_input(tensor_type(dtype, (samples, size)))
    skips = graph.add_input(tensor_type(bool_, (samples, size)))
    emitted = graph.add_input(tensor_type(dtype, (samples, size)))
    alive = graph.add_input(tensor_type(bool_, (samples, 1)))
    with Builder(graph):

        def before(count: int) -> Any:
            count = min(count, size)
            never = ops.full(_NEVER, dtype, (samples, count), state)
            return ops.concat([never, ops.slice_axis(state, 1, 0, size - count)], 1)

        jumped = ops.where(skips, before(2), ops.full(_NEVER, dtype, (), state))
        new = ops.add(ops.logaddexp(ops.logaddexp(state, before(1)), jumped), emitted)
        graph.add_output(ops.where(alive, new, state))
    return Subgraph(graph)


def _finished(
    nll: Tensor, counts: Tensor, reduction: str, zero_infinity: bool, batched: bool
) -> Tensor:
    lost = nll.detach() >= -_NEVER / 2
    nll = where(lost, 0.0, nll) if zero_infinity else nll / where(lost, 0.0, nll.detach() * 0 + 1)
    if reduction == "mean":
        nll = nll / counts.clamp(min=1).to(nll.dtype)
    if not batched and reduction == "none":
        return nll.squeeze(0)
    return reduced(nll, reduction)

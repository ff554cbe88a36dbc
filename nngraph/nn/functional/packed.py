"""Sequences of different lengths: padded to one tensor, or packed step by step.

How long they are is known while the code runs: lengths are Python's numbers, or eager tensors.

Source: https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "packed_as",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

#: Lengths of sequences.
Lengths = Tensor | Sequence[int]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths, the longest first: all first steps, all second steps, ...

    Made by ``pack_padded_sequence`` or ``pack_sequence``.

    Attributes:
        data: ``[sum of lengths, ...]``.
        batch_sizes: int64 ``[T]``, how many sequences have each step.
        sorted_indices: int64 ``[N]``, which of the caller's sequences each one is; None: as given.
        unsorted_indices: the inverse.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            if not isinstance(data, tuple | list) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def counts(self) -> list[int]:
        """``batch_sizes`` as numbers."""
        known: list[int] | None = self.__dict__.get("_counts")
        return [int(n) for n in self.batch_sizes.tolist()] if known is None else known

    def like(self, data: Tensor) -> PackedSequence:
        """Other elements for the same steps."""
        made = PackedSequence(data, *self[1:])
        made._counts = self.counts()
        return made

    _counts: list[int]

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Elements of another type or place."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self.like(data)

    def cpu(self) -> PackedSequence:
        """On the host, where it is."""
        return self

    def double(self) -> PackedSequence:
        """Elements of float64."""
        return self.like(self.data.double())

    def float(self) -> PackedSequence:
        """Elements of float32."""
        return self.like(self.data.float())

    def half(self) -> PackedSequence:
        """Elements of float16."""
        return self.like(self.data.half())

    def long(self) -> PackedSequence:
        """Elements of int64."""
        return self.like(self.data.long())

    def int(self) -> PackedSequence:
        """Elements of int32."""
        return self.like(self.data.int())

    @property
    def is_cuda(self) -> bool:
        """False: a compiled function puts its tensors where it runs."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation ``[N]`` that undoes another."""
    if permutation is None:
        return None
    return permutation.argsort()


def _numbers(lengths: Lengths) -> list[int]:
    found = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    return [int(n) for n in found]


def packed_as(counts: Sequence[int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where the elements of a packed sequence are in the padded one, and the other way round.

    Returns:
        ``[sum]`` places among the rows of ``[T, N]``, and ``[T, N]`` rows of the packed data: -1
        for padding.
    """
    widest = counts[0] if counts else 0
    there = np.arange(widest) < np.asarray(counts, np.int64)[:, None]
    rows = np.full(there.shape, -1, np.int64)
    rows[there] = np.arange(there.sum())
    return np.flatnonzero(there), rows


def pack_padded_sequence(
    input: Tensor, lengths: Lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs ``[T, N, ...]`` (``[N, T, ...]``: ``batch_first``), of which each has a length.

    Args:
        input: padded at the end.
        lengths: ``[N]``, from 1 to T.
        batch_first: whether samples are the first axis.
        enforce_sorted: whether the lengths have to fall; else the sequences are sorted.

    Raises:
        RuntimeError: for lengths that are not positive, that do not fall, or of another number.
    """
    sizes = _numbers(lengths)
    padded = input.transpose(0, 1) if batch_first else input
    steps, samples = padded.aval.shape[:2]
    if any(n <= 0 for n in sizes):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if len(sizes) != samples:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} "
            f"(batch_size={samples})"
        )
    order: np.ndarray[Any, Any] | None = None
    if not enforce_sorted:
        order = np.argsort(-np.asarray(sizes), kind="stable")
        padded = padded.index_select(1, tensor(order))
        sizes = [sizes[i] for i in order]
    elif any(a < b for a, b in itertools.pairwise(sizes)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if isinstance(steps, int) and sizes and sizes[0] > steps:
        raise RuntimeError(f"a length is {sizes[0]}, but the input has {steps} steps")
    counts = [sum(n > t for n in sizes) for t in range(sizes[0] if sizes else 0)]
    places, _ = packed_as(counts)
    data = _rows(padded[: len(counts)], places)
    indices = None if order is None else tensor(order)
    made = PackedSequence(data, tensor(np.asarray(counts, np.int64)), indices)
    made._counts = counts
    return made


def _rows(padded: Tensor, places: np.ndarray[Any, Any]) -> Tensor:
    """Rows of ``[T, N, ...]``."""
    steps, samples, *rest = padded.aval.shape
    flat = padded.reshape(cast("Any", steps * samples), *rest)
    found: Tensor = ops.take(flat, ops.constant(places, flat), 0)
    return found


def _lengths(counts: list[int]) -> list[int]:
    """Lengths of the sequences, longest first, of how many there are at each step."""
    return [sum(n > i for n in counts) for i in range(counts[0] if counts else 0)]


def padded(sequence: PackedSequence, value: float, steps: int | None = None) -> Tensor:
    """``[T, N, ...]`` in the packed order, with a number where a sequence is shorter."""
    counts = sequence.counts()
    _, rows = packed_as(counts)
    if steps is not None and steps > len(counts):
        more = np.full((steps - len(counts), rows.shape[1]), -1, np.int64)
        rows = np.concatenate([rows, more])
    data = sequence.data
    index = ops.constant(np.maximum(rows, 0), data)
    shape = (*rows.shape, *(1,) * (data.ndim - 1))
    return where(ops.constant(rows.reshape(shape) >= 0, data), ops.take(data, index, 0), value)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded tensor and the lengths, in the caller's order.

    Args:
        sequence: what is padded.
        batch_first: whether samples are the first axis of the result.
        padding_value: what stands where a sequence is shorter.
        total_length: T of the result; that of the longest sequence if None.

    Raises:
        ValueError: if ``total_length`` is less than that.
    """
    counts = sequence.counts()
    if total_length is not None and total_length < len(counts):
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {len(counts)}"
        )
    out = padded(sequence, padding_value, total_length)
    found = tensor(np.asarray(_lengths(counts), np.int64))
    if sequence.unsorted_indices is not None:
        out = out.index_select(1, sequence.unsorted_indices)
        found = found[sequence.unsorted_indices]
    return (out.transpose(0, 1) if batch_first else out), found


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences ``[L, ...]`` as one tensor ``[T, N, ...]`` (``[N, T, ...]``: ``batch_first``).

    Raises:
        RuntimeError: for what holds no tensors, and for another side than "left" or "right".
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    listed = list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(int(cast("int", s.shape[0])) for s in listed)

    def whole(s: Tensor) -> Tensor:
        rest: list[Dim] = list(s.aval.shape[1:])
        made = s.new_full((longest, *rest), padding_value)
        size = int(cast("int", s.shape[0]))
        start = 0 if padding_side == "right" else longest - size
        return made.slice_scatter(s, 0, start, start + size)

    return stack([whole(s) for s in listed], 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Lengths, batch_first: bool = False
) -> list[Tensor]:
    """The sequences ``[L, ...]`` of a padded tensor."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [rows[i, :n] for i, n in enumerate(_numbers(lengths))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """``pack_padded_sequence`` of sequences ``[L, ...]``."""
    lengths = [int(cast("int", s.shape[0])) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences, in the caller's order."""
    out = padded(packed_sequences, 0.0)
    rows = [out[:n, i] for i, n in enumerate(_lengths(packed_sequences.counts()))]
    order = packed_sequences.unsorted_indices
    return rows if order is None else [rows[i] for i in _numbers(order)]

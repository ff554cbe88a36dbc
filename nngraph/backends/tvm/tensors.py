"""The tensors of many calls as one table, which one kernel goes through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_empty
from nngraph.backends.tvm.tiles import CHUNK, PARTS, cdiv
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType

__all__ = ["TensorTable"]

_WORDS = 6
"""Of a DLTensor, C's structure of a tensor; kernels read the first only: where its data is."""


class TensorTable:
    """Pieces of tensors, as rows of the table that a kernel over many tensors takes.

    ``table[i] = array`` says where the i-th argument of the call is.

    Args:
        sizes: elements of each member of the call.
        operands: types of a member's arguments: vectors, of any size, or numbers.
        chunk: elements of a piece.
        parts: tasks that share the rows.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        operands: Sequence[TensorType],
        chunk: int = CHUNK,
        parts: int = PARTS,
    ) -> None:
        self._steps = [np.uint64(t.dtype.itemsize * chunk if t.rank else 0) for t in operands]
        pieces = [cdiv(n, chunk) for n in sizes]
        self._ends = np.cumsum(pieces)
        rows = int(self._ends[-1])
        self._data = aligned_empty((rows, len(operands), _WORDS), np.uint64)
        self._data.fill(0)
        self._counts = aligned_empty((rows,), np.int64)
        self._counts.fill(chunk)
        self._counts[self._ends - 1] = [(n - 1) % chunk + 1 for n in sizes]
        self._starts = aligned_empty((parts + 1,), np.int64)
        done = np.concatenate([[0], np.cumsum(self._counts)])
        self._starts[:] = np.searchsorted(done, np.linspace(0, done[-1], parts + 1))
        self._arrays: list[Any] = [None] * (len(sizes) * len(operands))  # kept alive

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """What the kernel takes."""
        return self._data, self._counts, self._starts

    def __setitem__(self, position: int, array: Array) -> None:
        member, operand = divmod(position, len(self._steps))
        end = int(self._ends[member])
        start = int(self._ends[member - 1]) if member else 0
        self._arrays[position] = array
        address = array.__array_interface__["data"][0]
        pieces = np.arange(end - start, dtype=np.uint64)
        self._data[start:end, operand, 0] = pieces * self._steps[operand] + np.uint64(address)

"""Ranges of addresses: which of many arrays may share memory with one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from numpy.lib.array_utils import byte_bounds

from nngraph.ir.op import Array

__all__ = ["Spans"]


class Spans:
    """Disjoint ranges of addresses, sorted, each with the keys of the arrays that lie in it."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._keys: list[list[int]] = []

    def add(self, array: Array, key: int = 0) -> None:
        """Takes in an array; ranges that it bridges become one."""
        if not array.nbytes:
            return
        start, end = _range(array)
        near = self._near(start, end)
        keys = [k for group in self._keys[near] for k in group]
        self._starts[near] = [min([start, *self._starts[near]])]
        self._ends[near] = [max([end, *self._ends[near]])]
        self._keys[near] = [[*keys, key]]

    def near(self, array: Array) -> list[int]:
        """The keys of the arrays in the ranges that an array has a byte in."""
        if not self._starts or not array.nbytes:
            return []
        return [k for group in self._keys[self._near(*_range(array))] for k in group]

    def _near(self, start: int, end: int) -> slice:
        """The ranges that share a byte with one, or where it belongs."""
        first = bisect_right(self._ends, start)
        return slice(first, max(first, bisect_left(self._starts, end)))


def _range(array: Array) -> tuple[int, int]:
    if not array.flags.c_contiguous:
        return byte_bounds(array)
    start: int = array.__array_interface__["data"][0]
    return start, start + array.nbytes

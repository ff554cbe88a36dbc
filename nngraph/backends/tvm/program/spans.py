"""The memory that states occupy: what may not be read while they are overwritten."""

from __future__ import annotations

from bisect import bisect_left, insort

from nngraph.ir.op import Array

__all__ = ["Spans"]


class Spans:
    """Disjoint ranges of addresses, sorted."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, array: Array) -> None:
        """Takes in a contiguous array that overlaps no earlier one."""
        if array.size:
            insort(self._ranges, _range(array))

    def overlap(self, array: Array) -> bool:
        """True if a contiguous array shares a byte with one of the ranges."""
        if not self._ranges or not array.size:
            return False
        start, end = _range(array)
        position = bisect_left(self._ranges, (end, 0))  # ranges before it start before ``end``
        return position > 0 and self._ranges[position - 1][1] > start


def _range(array: Array) -> tuple[int, int]:
    start: int = array.__array_interface__["data"][0]
    return start, start + array.nbytes

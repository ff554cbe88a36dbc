"""Names for how many elements masks select: one name for masks that a call computes alike."""

from __future__ import annotations

from collections.abc import Hashable

from nngraph.ir.attributes import op_key
from nngraph.ir.dims import SymDim
from nngraph.ir.graph import Value
from nngraph.passes.selected import selected_size

__all__ = ["Selections"]


class Selections:
    """Numbers the values of one graph, equal for those of equal operators on equal operands."""

    def __init__(self) -> None:
        self._numbers: dict[Value, int] = {}
        self._known: dict[Hashable, int] = {}
        self._sizes: dict[int, SymDim] = {}

    def size(self, mask: Value) -> SymDim:
        """The name for a mask's size."""
        number = self._number(mask)
        return self._sizes.setdefault(number, selected_size(len(self._sizes) + 1))

    def _number(self, value: Value) -> int:
        waiting = [value]
        while waiting:
            top = waiting[-1]
            node = top.producer
            missing = [] if node is None else [v for v in node.inputs if v not in self._numbers]
            if missing and top not in self._numbers:
                waiting += missing
                continue
            waiting.pop()
            if top not in self._numbers:
                self._numbers[top] = self._known.setdefault(self._key(top), len(self._known))
        return self._numbers[value]

    def _key(self, value: Value) -> Hashable:
        node = value.producer
        if node is None:
            return ("given", id(value))
        operands = tuple(self._numbers[v] for v in node.inputs)
        return (op_key(node.op), operands, node.outputs.index(value))

"""A loaded graph with the state that it reads and changes: what a compiled function runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nngraph.backends.arrays import aligned_copy, is_aligned
from nngraph.backends.base import Built
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType
from nngraph.runtime.blame import located
from nngraph.runtime.finite import check_finite

__all__ = ["Program", "StateCell"]


class StateCell(Protocol):
    """Where one state lives between calls: the frontend's storage of a tensor."""

    array: Array | None

    @property
    def type(self) -> TensorType:
        """Of the array."""
        ...

    @property
    def version(self) -> int:
        """The number of writes."""
        ...

    @version.setter
    def version(self, value: int) -> None: ...


class Program:
    """Runs an executable on cells of state, in place or by exchanging their arrays.

    Nothing is copied from call to call: a cell holds the array that the backend wrote last, and an
    array that somebody else put there is passed on as it is, once it is aligned.

    Attributes:
        built: the compiled graph.
    """

    def __init__(
        self,
        graph: Graph,
        built: Built,
        cells: Sequence[StateCell],
        readers: Sequence[Callable[[], float]],
        finite: bool = False,
    ) -> None:
        self.built = built
        self._graph = graph
        self._cells = list(cells)
        self._types = [c.type for c in cells]
        self._readers = list(readers)
        self._finite = finite
        self._changed = [i for i, s in enumerate(graph.states) if s.is_changed]
        self._arrays: list[Array | None] = [None] * len(self._cells)

    def mismatch(self) -> str | None:
        """Which state has another type than the graph; None if all fit."""
        for i, cell in enumerate(self._cells):
            kind = self._types[i]
            if cell.type is not kind and cell.type != kind:
                return f"{self._graph.states[i].name} is {cell.type} now; it was {kind}"
        return None

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """One call: reads scalars and state, returns the outputs; changes state if all went well.

        Raises:
            IndexError: if an index among the values is out of range; no state is changed.
            NonFiniteError: with ``finite``, if NaN or infinity turned up; no state is changed.
        """
        scalars = [read() for read in self._readers]
        states = self._current()
        try:
            outputs, after = self.built.executable.run(inputs, scalars, states)
        except IndexError as error:
            raise located(error, self._graph, inputs, scalars, states) from None
        if self._finite:
            check_finite(self._graph, inputs, scalars, states, outputs, after)
        for i in self._changed:
            cell, array = self._cells[i], after[i]
            cell.array = self._arrays[i] = array
            cell.version += 1
        return outputs

    def _current(self) -> list[Array]:
        arrays: list[Array] = []
        for i, cell in enumerate(self._cells):
            array = cell.array
            assert array is not None, "a state outlives its trace only with an array"
            if array is not self._arrays[i]:
                if not (is_aligned(array) and array.flags.writeable):
                    cell.array = array = aligned_copy(array)
                self._arrays[i] = array
            arrays.append(array)
        return arrays

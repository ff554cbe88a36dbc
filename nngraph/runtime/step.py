"""A loaded graph with the state that it reads and changes: what a compiled function runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Protocol, cast

from nngraph.backends.arrays import aligned_copy, is_aligned
from nngraph.backends.base import Artifact
from nngraph.backends.build import Built
from nngraph.backends.watch import Recording
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.refusals import REFUSALS
from nngraph.ir.signature import signature_of
from nngraph.ir.types import TensorType
from nngraph.passes.sizes import with_sizes
from nngraph.runtime.agreement import disagreement
from nngraph.runtime.blame import located
from nngraph.runtime.finite import are_finite, nonfinite
from nngraph.runtime.overlap import Apart

__all__ = ["NO_CHECKS", "Checks", "CompiledStep", "StateSlot"]


@dataclass(frozen=True)
class Checks:
    """What is looked at after a call and before its state is kept.

    Attributes:
        finite: whether NaN or infinity is an error.
        every: after how many calls one is compared with the reference; 0 for never.

    Raises:
        ValueError: if ``every`` is negative.
    """

    finite: bool = False
    every: int = 0

    def __post_init__(self) -> None:
        if self.every < 0:
            raise ValueError(f"every is {self.every}; wanted a number of calls, at least 1")


NO_CHECKS = Checks()


class StateSlot(Protocol):
    """Where one state lives between calls: the frontend's storage of a tensor.

    An array that others hold, too, stays there: it is written instead of exchanged.
    """

    @property
    def array(self) -> Array | None:
        """The elements."""
        ...

    @array.setter
    def array(self, array: Array) -> None:
        """The same elements in another place in memory, if nobody else holds the array."""
        ...

    @property
    def type(self) -> TensorType:
        """Of the array."""
        ...

    def exchange(self, array: Array) -> None:
        """Overwrites the elements, by taking another array if nobody else holds this one."""
        ...

    def held(self) -> Held | None:
        """Where the array stays until the structure changes; None if it may move at any time."""
        ...


class Held(Protocol):
    """A place of one array."""

    array: Array | None


class _Nothing:
    """Stands for the place of a state that may move."""

    def __init__(self) -> None:
        self.array: Array | None = None


class CompiledStep:
    """Runs an executable on slots of state, in place or by exchanging their arrays.

    Nothing is copied from call to call: a slot holds the array that the backend wrote last, and an
    array that somebody else put there is passed on as it is, once it is aligned.

    Args:
        graph: as traced, in which the reason of an error is looked for; None if only the compiled
            one is there.
        built: the compiled graph.
        slots: where the states are.
        readers: give the scalars.
        finite: whether results are searched for NaN and infinity.
        written: inputs that a call changes.

    Attributes:
        built: the compiled graph.
    """

    def __init__(
        self,
        graph: Graph | None,
        built: Built[Artifact],
        slots: Sequence[StateSlot],
        readers: Sequence[Callable[[], float]],
        checks: Checks = NO_CHECKS,
        written: Sequence[int] = (),
    ) -> None:
        self.built = built
        self._graph = graph
        self._signature = built.artifact.signature if graph is None else signature_of(graph)
        self._slots = list(slots)
        self._readers = list(readers)
        self._checks = checks
        self._calls = 0
        self._apart = Apart(self._signature, written)
        self._arrays: list[Array | None] = [None] * len(self._slots)
        self._types = [port.type for port in self._signature.states]
        self._held: list[Held] = []
        self._moving: list[int] = []
        self.refresh()

    def mismatches(self) -> list[str]:
        """The states that have another type than in the graph, in words."""
        rows = zip(self._slots, self._signature.states, strict=True)
        return [f"{p.name} is {s.type} now; it was {p.type}" for s, p in rows if s.type != p.type]

    def refresh(self) -> bool:
        """To be called after a change of structure: finds the states anew.

        Returns:
            Whether all have the types of the graph.
        """
        kinds = [slot.type for slot in self._slots]
        held = [slot.held() for slot in self._slots]
        self._held = [place or _Nothing() for place in held]
        self._moving = [i for i, place in enumerate(held) if place is None]
        return all(map(is_, kinds, self._types)) or kinds == self._types

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """One call: reads scalars and state, returns the outputs; changes state if all went well.

        Raises:
            RuntimeError: if memory that the call writes came in a second time.
            ValueError: if memory that it writes is read-only.
            IndexRangeError, ValueRangeError, IntegerDivisionError: if an operator met a value that
                it does not take; no state is changed.
            NonFiniteError, DisagreementError: if what the checks look for turned up; no state is
                changed.
        """
        scalars = [read() for read in self._readers]
        states = self._current()
        self._apart.check(inputs, states)
        states = self._usable(states)
        try:
            outputs, after = self.built.executable.run(inputs, scalars, states)
        except REFUSALS as error:
            arguments = self._signature.arguments(inputs, scalars, states)
            raise located(error, self._numbered(inputs), arguments) from None
        if self._checks is not NO_CHECKS:
            arguments = self._signature.arguments(inputs, scalars, states)
            self._check(inputs, arguments, (*outputs, *after))
        slots, arrays = self._slots, self._arrays
        for i in self._signature.changed:
            array = arrays[i] = after[i]
            slots[i].exchange(array)
        return outputs

    def watched(self, inputs: Sequence[Array], calls: int) -> Recording:
        """What calls do, one after the other from the present scalars and state; it stays as it is.

        Raises:
            IndexRangeError, ValueRangeError, IntegerDivisionError: as ``run``.
        """
        scalars = [read() for read in self._readers]
        states = [aligned_copy(array) for array in self._current()]
        built = self.built
        watched = built.backend.watch(built.artifact, built.target)
        try:
            for _ in range(calls):
                states = watched.run(inputs, scalars, states)[1]
            return watched.recorded()
        except REFUSALS as error:
            arguments = self._signature.arguments(inputs, scalars, states)
            raise located(error, self._numbered(inputs), arguments) from None
        finally:
            watched.close()

    @property
    def state_bytes(self) -> int:
        """Bytes of all states."""
        return sum(int(slot.type.nbytes) for slot in self._slots)

    def _check(
        self, inputs: Sequence[Array], arguments: Sequence[Array], results: Sequence[Array]
    ) -> None:
        checks, count = self._checks, self._calls
        self._calls += 1
        if checks.finite and not are_finite((*inputs, *results)):
            raise nonfinite(self._numbered(inputs), arguments)
        if checks.every and count % checks.every == 0:
            graph = self._numbered(inputs)
            assert graph is not None  # what is compared was traced here
            error = disagreement(graph, self.built, arguments, results)
            if error is not None:
                raise error

    def _numbered(self, inputs: Sequence[Array]) -> Graph | None:
        """The graph with the sizes of these inputs, to be evaluated."""
        if self._graph is None:
            return None
        sizes = self._signature.sizes(inputs)
        return with_sizes(self._graph, sizes) if sizes else self._graph

    def _current(self) -> list[Array]:
        """The states' arrays as they are."""
        arrays = [place.array for place in self._held]
        for i in self._moving:
            arrays[i] = self._slots[i].array
        return cast("list[Array]", arrays)  # a state outlives its trace only with an array

    def _usable(self, arrays: list[Array]) -> list[Array]:
        """The states' arrays as backends take them."""
        known = self._arrays
        if any(map(operator.is_not, arrays, known)):
            for i, array in enumerate(arrays):
                if array is not known[i]:
                    known[i] = arrays[i] = self._moved(i, array)
        return arrays

    def _moved(self, i: int, array: Array) -> Array:
        """An array that somebody else put into a slot, or what takes its place.

        Raises:
            ValueError: if calls change it and it is read-only memory of others.
        """
        if is_aligned(array) and array.flags.writeable:
            return array
        slot, port = self._slots[i], self._signature.states[i]
        slot.array = copy = aligned_copy(array)
        if port.is_changed and slot.array is not copy and not array.flags.writeable:
            raise ValueError(
                f"the function writes to {port.name!r}, whose memory is read-only: clone() it first"
            )
        return copy

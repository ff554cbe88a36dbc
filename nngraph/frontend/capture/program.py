"""What a call computes with Python's numbers before its graph runs.

A trace writes down, in order, which numbers it reads from Python's objects, what it computes from
them, and the calls that only Python can make (a scheduler's step). A call does it again. What it
changes in objects before the graph has run is put back if the call fails.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import index
from typing import Any

from nngraph.frontend.capture.boxes import Box, Kind, Place
from nngraph.frontend.host import is_host_number

__all__ = ["Changed", "Program", "Spot"]

Undo = Callable[[], None]
Step = Callable[[list[Any], list[Undo]], Any]


class Changed(Exception):
    """A fact that shaped the traced code does not hold in this call."""


class Spot:
    """A place, or a part of the tuple, list or dict that is there."""

    __slots__ = ("inner", "place")

    def __init__(self, place: Place, inner: tuple[Any, ...] = ()) -> None:
        self.place = place
        self.inner = inner

    @property
    def name(self) -> str:
        """As in the code."""
        return self.place.name + "".join(f"[{key!r}]" for key in self.inner)

    @property
    def shown(self) -> str:
        """For the names of scalars: an argument has its own."""
        return str(self.place.key) if self.place.box.kind is Kind.ARGUMENTS else self.name

    def read(self) -> Any:
        """What is there."""
        value = self.place.get()
        for key in self.inner:
            value = value[key]
        return value

    def reader(self) -> Callable[[], Any]:
        """``read`` as fast as it can be: calls read hundreds of numbers."""
        box, key, inner = self.place.box, self.place.key, self.inner
        if box.kind not in (Kind.ATTRIBUTES, Kind.ITEMS, Kind.GLOBALS) or len(inner) > 1:
            return self.read
        target = box.target
        if not inner:
            return lambda: target[key]
        position = inner[0]
        return lambda: target[key][position]

    def under(self, key: Any) -> Spot:
        """The part at a key of what is there."""
        return Spot(self.place, (*self.inner, key))


class Program:
    """The steps of a call, and the values of the latest one, by the position of the step.

    Attributes:
        steps: what each call does, in order.
        values: what the steps of the latest call gave.
        written: keys of the places and boxes that steps change.
        checks: whether a step may find that the trace is not valid.
        sources: for each step the spots whose numbers it depends on.
        varying: steps whose number may be an integer in one call and a float in the next.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values: list[Any] = []
        self.checks = False
        self.written: list[Hashable] = []
        self.sources: list[frozenset[Spot]] = []
        self.varying = set[int]()
        self._undo: list[Undo] = []
        self._lines: dict[int, str] = {}

    def add(self, step: Step, sources: frozenset[Spot] = frozenset()) -> int:
        """Appends a step; gives its position."""
        self.steps.append(step)
        self.sources.append(sources)
        return len(self.steps) - 1

    # -- steps -------------------------------------------------------------------------------
    def read(self, spot: Spot) -> int:
        """What is at a spot at this time of the call."""
        read = spot.reader()
        return self.add(lambda values, undo: read(), frozenset({spot}))

    def apply(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        varies: bool = False,
        line: str = "",
    ) -> int:
        """``function(*args)``.

        Args:
            function, args: what to call; some of the arguments are symbols.
            varies: whether the type of its result depends on more than theirs.
            line: of the code, for errors of a call.
        """
        slot = self._apply(function, args)
        slots = {a._slot for a in args if is_host_number(a)}
        if varies or (function is not float and not self.varying.isdisjoint(slots)):
            self.varying.add(slot)
        self._lines[slot] = line
        return slot

    def _apply(self, function: Callable[..., Any], args: Sequence[Any]) -> int:
        sources = frozenset[Spot]().union(
            *(self.sources[a._slot] for a in args if is_host_number(a))
        )
        parts = [(a._slot, None) if is_host_number(a) else (None, a) for a in args]
        if len(parts) == 2:
            (i, a), (j, b) = parts
            if i is not None and j is None:
                return self.add(lambda values, undo: function(values[i], b), sources)
            if i is None and j is not None:
                return self.add(lambda values, undo: function(a, values[j]), sources)

        def step(values: list[Any], undo: list[Undo]) -> Any:
            return function(*(a if i is None else values[i] for i, a in parts))

        return self.add(step, sources)

    def put(self, place: Place, value: Callable[[list[Any]], Any]) -> None:
        """Puts a value at a place, for an action that follows."""

        def step(values: list[Any], undo: list[Undo]) -> None:
            before = place.get()
            undo.append(lambda: place.set(before))
            place.set(value(values))

        self.add(step)

    def act(self, action: Callable[[list[Any]], Any], boxes: Sequence[Box]) -> None:
        """Calls what only Python can do, which may change the boxes."""

        def step(values: list[Any], undo: list[Undo]) -> None:
            for box in boxes:
                undo.append(_restores(box))
            action(values)

        self.written += [(id(box.target), "") for box in boxes]
        self.add(step)

    def check(self, slot: int, holds: Callable[[Any], bool], reason: str) -> None:
        """What the value of a step must satisfy for the trace to be valid."""

        def step(values: list[Any], undo: list[Undo]) -> None:
            if not holds(values[slot]):
                raise Changed(reason)

        self.checks = True
        self.add(step)

    # -- calls -------------------------------------------------------------------------------
    def run(self) -> None:
        """Does the steps; an error leaves all as it was."""
        self.values, self._undo = values, undo = list[Any](), list[Undo]()
        try:
            for step in self.steps:
                values.append(step(values, undo))
        except BaseException as error:
            self.take_back()
            if line := self._lines.get(len(values)):
                error.add_note(f"computed at each call by the traced code:\n    {line}")
            raise

    def take_back(self) -> None:
        """The call failed: objects are as they were before it."""
        while self._undo:
            self._undo.pop()()

    def broken(self) -> str | None:
        """Why the trace is not valid for a call now; None if it is."""
        if not self.checks:
            return None
        try:
            self.run()
        except Changed as reason:
            return str(reason)
        self.take_back()
        return None

    def reader(self, slot: int, is_integer: bool) -> Callable[[], Any]:
        """Gives a number of the latest call; one that was an integer has to be one."""
        return lambda: index(self.values[slot]) if is_integer else self.values[slot]


def _restores(box: Box) -> Undo:
    content = box.read()
    return lambda: box.restore(content)

"""Python's own state in one trace: numbers and tensors in objects become symbols, and are put back.

While the traced code runs, a place whose number or tensor differs from call to call holds a symbol:
a ``HostNumber``, or a stand-in whose storage is a state that lives at the place. Python has no
other way to let code read ``self.calls`` or ``memory["h"]`` symbolically. ``restore`` puts the real
contents back, whatever happened. What is then found changed is what a call changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, cast

from nngraph.frontend.capture.actions import boxes_of, perform, record
from nngraph.frontend.capture.boxes import ABSENT, Box, Kind, Place
from nngraph.frontend.capture.functions import Builtins, real_of, stand_in_of
from nngraph.frontend.capture.growing import Growing
from nngraph.frontend.capture.program import Program, Spot
from nngraph.frontend.capture.pullback import is_of_call
from nngraph.frontend.capture.reach import Reach
from nngraph.frontend.capture.refusals import refuse_branch
from nngraph.frontend.capture.slots import SpotSlot
from nngraph.frontend.capture.values import (
    container_like,
    containers_in,
    is_numeric,
    is_plain,
    is_plain_number,
    is_symbolic,
    kind_of,
    may_vary,
    numbers_in,
    parts_of,
    same,
    values_of,
)
from nngraph.frontend.host import HostNumber, concrete, is_host_number
from nngraph.frontend.record import Edge, Handle, Leaf, View
from nngraph.frontend.storage import Storage
from nngraph.frontend.userline import user_source
from nngraph.ir.dtypes import int64

__all__ = ["Carry", "Change"]


@dataclass(frozen=True)
class Change:
    """One thing that the traced code left in a box.

    Attributes:
        place: where; of a list whose length changed, the position of the first new item.
        before: what the code found, ``ABSENT`` for a new key.
        after: what it left, ``ABSENT`` for a removed key; of a list whose length changed, the new
            items if it grew at its end, else all of them.
        grown, resized: whether a list grew at its end, or changed its length otherwise.
    """

    place: Place
    before: Any
    after: Any
    grown: bool = False
    resized: bool = False


class Carry:
    """See the module.

    Attributes:
        program: what each call computes before its graph runs.
        plan: names of the places that hold symbols, besides numbers that always vary.
        moving: names of the places that a call changes.
        settled: names of the places whose number the code depends on.
        needed: names of places that should have held symbols, found out too late.
        start: what the code found in the boxes, at first or after the latest action.
        first: what it found there at first.
        found: the numbers that the symbols stand for in this trace, by name.
        told: what users have to know of a file, a line each.
    """

    def __init__(
        self, reach: Reach, plan: frozenset[str], changing: frozenset[str], trace: Any
    ) -> None:
        self.reach = reach
        self.plan = plan | changing
        self.moving = set(changing)
        self._changing = changing
        self.told = dict[str, None]()
        self.needed = set[str]()
        self.settled = set[str]()
        self.found: dict[str, Any] = {}
        self._relied = set[str]()
        self.acted = set[int]()
        self._replaced = set[int]()
        self._holding: dict[int, Any] = {}
        self.program = Program()
        self.spots: dict[int, tuple[Any, Spot]] = {}
        self.twins: dict[int, tuple[Handle, Spot]] = {}
        self.holders: list[tuple[Spot, Any, list[Any]]] = []
        self._trace = trace
        self._actions = 0
        self._storages: dict[int, tuple[Storage, Handle]] = {}
        self._homes: dict[int, Spot] = {}
        self._shown: list[tuple[Spot, Handle]] = []
        self._scalars: dict[int, Handle] = {}  # by slot
        self._options: dict[tuple[Any, ...], Handle] = {}
        self._real = [box.read() for box in reach.boxes]
        self._fixed = self._fixed_storages()
        self._growing = {
            id(box.target): Growing(box.target)
            for box in reach.boxes
            if box.kind is Kind.LIST and _grows(box) in changing and _is_read(box) not in changing
        }
        self._tensors = {
            id(v) for content in self._real for v in content.values() if isinstance(v, Handle)
        }
        self._index = {id(box.target): i for i, box in enumerate(reach.boxes)}
        self._builtins = Builtins(reach.functions.values())
        self._builtins.put()
        try:
            self.start: list[dict[Any, Any]] = [{} for _ in reach.boxes]
            # A list that is at two places is whole until both have symbols in its place.
            for i in sorted(range(len(self.start)), key=lambda i: reach.boxes[i].kind is Kind.LIST):
                self.start[i] = self._with_symbols(i)
            self.first = list(self.start)
        except BaseException:
            self.restore()
            raise

    # -- symbols -----------------------------------------------------------------------------
    def _is_symbolic(self, place: Place, value: Any) -> bool:
        if place.name in self.plan:
            return True
        return place.box.varies(place.key) and is_numeric(value)

    def _fixed_storages(self) -> set[int]:
        """Storages that places hold whose tensors are known by identity."""
        fixed, inside = set[int](), set[int]()
        for box, content in zip(self.reach.boxes, self._real, strict=True):
            for key, value in content.items():
                if box.name_of(key) in self.plan:
                    inside.update(map(id, containers_in(value)))
        for box, content in zip(self.reach.boxes, self._real, strict=True):
            if id(box.target) in inside:
                continue
            for key, value in content.items():
                if isinstance(value, Handle) and box.name_of(key) not in self.plan:
                    fixed.add(id(value._storage))
        return fixed

    def _with_symbols(self, index: int) -> dict[Any, Any]:
        box, made = self.reach.boxes[index], dict(self._real[index])
        for key, value in self._real[index].items():
            place = Place(box, key)
            stand_in = self._growing.get(id(value), stand_in_of(value))
            if stand_in is not None:
                box.set(key, stand_in)
                made[key] = stand_in
            elif self._is_symbolic(place, value):
                symbol = self._symbol(value, Spot(place))
                if symbol is not value:
                    box.set(key, symbol)
                    made[key] = symbol
        return made

    def _symbol(self, value: Any, spot: Spot) -> Any:
        """What stands for a value at a spot; the value itself where nothing has to."""
        if is_plain_number(value):
            self.found[spot.name] = value
            return HostNumber(self, spot, value)
        if isinstance(value, Handle):
            return self._twin(value, spot)
        parts = parts_of(value)
        if parts is None:
            return value
        made = [self._symbol(part, spot.under(key)) for key, part in parts]
        if all(a is b for a, (_, b) in zip(made, parts, strict=True)):
            return value
        holder = container_like(value, made)
        self._replaced.add(id(value))
        self._holding[id(holder)] = value
        self.spots[id(holder)] = (holder, spot)
        if not isinstance(holder, tuple):
            self.holders.append((spot, holder, made))
        return holder

    def _twin(self, tensor: Handle, spot: Spot) -> Handle:
        storage, edge = tensor._storage, tensor._edge
        made = is_of_call(edge)
        if storage.elements.array is None or id(storage) in self._fixed:
            return tensor
        is_walked = isinstance(edge, Edge) and not made  # eager code's history
        if is_walked or type(tensor) is not Handle._result:  # a parameter, known by identity
            return tensor
        known = self.twins.get(id(tensor))
        if known is not None:
            self._shown.append((spot, known[0]))
            return known[0]
        if id(storage) not in self._storages:
            stand_in = Storage(storage.elements.array)
            self._trace.lives_at(stand_in, SpotSlot(spot), spot.name)
            self._storages[id(storage)] = (stand_in, Handle._result(stand_in))
            self._homes[id(stand_in)] = spot
        stand_in, base = self._storages[id(storage)]
        twin: Handle = Handle._result(stand_in)
        if tensor._view is not None:
            twin = Handle._result(stand_in, View(base, tensor._view.path))
        twin._edge = None if edge is None else Leaf(twin, made)
        self.twins[id(tensor)] = (twin, spot)
        self._shown.append((spot, twin))
        self.spots[id(twin)] = (twin, spot)
        return twin

    def restore(self) -> None:
        """Puts back what was there before the trace."""
        self._builtins.take_back()
        for box, content in zip(self.reach.boxes, self._real, strict=True):
            box.restore(content)

    def real(self, index: int) -> dict[Any, Any]:
        """The contents of a box before the trace."""
        return self._real[index]

    # -- numbers -----------------------------------------------------------------------------
    def slot(self, number: HostNumber) -> int:
        """The step that gives a number; a symbol is read when it is first needed."""
        if isinstance(number._slot, Spot):
            number._slot = self.program.read(number._slot)
        return cast("int", number._slot)

    def compute(
        self, function: Callable[..., Any], args: Sequence[Any], varies: bool = False
    ) -> HostNumber:
        value = function(*map(concrete, args))
        for arg in filter(is_host_number, args):
            self.slot(arg)
        slot = self.program.apply(function, args, varies, user_source())
        return HostNumber(self, slot, value)

    def settle(self, number: HostNumber, what: str) -> Any:
        sources = self.program.sources[self.slot(number)]
        for spot in sorted(sources, key=lambda s: s.name):
            if spot.place.name in self.moving:
                raise refuse_branch(what, spot.name)
        for spot in sources:
            self.settled.add(spot.place.name)
            self._hold(spot)
        return number._value

    def decide(self, number: HostNumber, what: str) -> Any:
        slot = self.slot(number)
        sources = self.program.sources[slot]
        if any(spot.place.box.kind is not Kind.ARGUMENTS for spot in sources):
            return self.settle(number, what)
        known = bool(number._value)
        reason = f"{', '.join(sorted(s.name for s in sources))} takes another way through the code"
        self.program.check(slot, lambda now: bool(now) is known, reason)
        return known

    def call(self, function: Callable[[Any], Any], number: HostNumber) -> Any:
        return function(number)

    def enter(self, number: HostNumber, name: str) -> list[Any]:
        """The inputs of the graph for a number that is an argument: none, a call reads it."""
        return []

    def returned(self, number: HostNumber) -> Any:
        """What stands for a number among the results: a tensor, if the graph has it."""
        return number

    def _hold(self, spot: Spot) -> None:
        """The number at a spot has to stay what it is, or the code is traced again."""
        known = self.found[spot.name]
        self._trace.guard(
            ("number", spot.name),
            lambda: same(spot.read(), known),
            f"{spot.name} was {known!r} and is another number now",
        )

    def rely(self, number: HostNumber, fact: Callable[[Any], Any], known: Any, reason: str) -> None:
        """A fact about a number that shapes the code of an optimizer."""
        if isinstance(number._slot, Spot):
            spot = number._slot
            self._relied.add(spot.name)
            key = ("option", spot.name, reason)
            self._trace.guard(key, lambda: fact(spot.read()) == known, reason)
        else:
            self._relied |= {spot.name for spot in self.program.sources[number._slot]}
            self.program.check(number._slot, lambda value: fact(value) == known, reason)

    def decisive(self) -> set[str]:
        """The names of the spots whose numbers the graph reads or was shaped by."""
        read = {spot.name for slot in self._scalars for spot in self.program.sources[slot]}
        return read | self._relied | self.settled

    def scalar(self, number: HostNumber, name: str = "") -> Any:
        slot = self.slot(number)
        if slot not in self._scalars:
            value = number._value
            kind = kind_of(value)
            if slot in self.program.varying:
                reason = f"a number that was of the type {type(value).__name__} is of another one"
                self.program.check(slot, lambda now: type(now) is type(value), reason)
            sources = sorted(spot.shown for spot in self.program.sources[slot])
            shown = name or (sources[0] if len(sources) == 1 else "number")
            reader = self.program.reader(slot, kind is int64)
            self._scalars[slot] = self._trace.add_scalar(shown, kind, reader)
        return self._scalars[slot]

    def number(self, table: dict[str, Any], key: str, index: int | None, name: str) -> Any:
        """An option of an optimizer, as float64."""
        value = table[key] if index is None else table[key][index]
        if is_host_number(value):
            if not isinstance(value._slot, Spot):
                return self._rate(value, name)
            spot = value._slot
        elif isinstance(value, Handle):
            return self._trace.count(value)
        else:
            at = self._index.get(id(table))
            box = Box(Kind.ITEMS, "options", table) if at is None else self.reach.boxes[at]
            if at is not None and self.start[at].get(key) is not table[key]:
                return float(value)  # what the code put there
            spot = Spot(Place(box, key), () if index is None else (index,))
        memo = (id(table), key, index, self._actions)
        if memo not in self._options:
            read = spot.reader()
            slot = self.program.add(lambda values, undo: float(read()), frozenset({spot}))
            number = HostNumber(self, slot, float(concrete(value)))
            self._options[memo] = self.scalar(number, name)
        return self._options[memo]

    def _rate(self, number: HostNumber, name: str) -> Any:
        if isinstance(number._value, float):
            return self.scalar(number, name)
        return self.scalar(self.compute(float, (number,)), name)

    # -- actions -----------------------------------------------------------------------------
    def act(
        self, owner: object, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        """See ``World.act``: what it may change is read again by the code that follows."""
        boxes = self._real_boxes(boxes_of(owner))
        own = self._real_boxes(boxes_of(owner, {"optimizer"}))
        self.acted.update(id(box.target) for box in own)
        self._flush(boxes)
        perform(action, args, kwargs, boxes)
        record(self.program, action, args, kwargs, boxes, self.slot)
        self._actions += 1
        for box in boxes:
            at = self._index.get(id(box.target))
            for key, value in box.read().items():
                place = Place(box, key)
                if not is_numeric(value):
                    continue
                if at is not None and not is_symbolic(self.start[at].get(key)):
                    self.needed.add(place.name)
                self.moving.add(place.name)
                box.set(key, self._symbol(value, Spot(place)))
            if at is not None:
                self.start[at] = box.read()

    def _real_boxes(self, boxes: Sequence[Box]) -> list[Box]:
        """The boxes of the walk before the trace, and new ones; none of lists that are symbols."""
        made: list[Box] = []
        for box in boxes:
            at = self._index.get(id(self._holding.get(id(box.target), box.target)))
            if at is not None:
                made.append(self.reach.boxes[at])
            elif id(box.target) not in self._holding:
                made.append(box)
        return made

    def _flush(self, boxes: Sequence[Box]) -> None:
        """What the code put at places so far is there when the action looks."""
        for box in boxes:
            at = self._index.get(id(box.target))
            start = {} if at is None else self.start[at]
            for key, value in box.read().items():
                for number in numbers_in(start.get(key)):
                    self.slot(number)  # what code read before the action it has read before it
                if value is start.get(key) or at is None:
                    continue
                if is_host_number(value):
                    slot = self.slot(value)
                    self.program.put(Place(box, key), itemgetter(slot))
                elif is_plain(value):
                    self.program.put(Place(box, key), partial(_given, value))

    # -- what the code changed ---------------------------------------------------------------
    def changes(self) -> list[Change]:
        """What stands in the boxes now and did not when the code began."""
        made: list[Change] = []
        for box, start in zip(self.reach.boxes, self.start, strict=True):
            now = box.read()
            growing = self._growing.get(id(box.target))
            if growing is not None and not growing.was_read and (added := growing.added()):
                made.append(Change(Place(box, len(now)), ABSENT, added, grown=True))
            if box.kind is Kind.LIST and len(now) != len(start):
                made.append(_resized(box, start, now))
                continue
            for key in {**start, **now}:
                before, after = start.get(key, ABSENT), now.get(key, ABSENT)
                is_left = same(before, after) or self._trace.was_put(box.target, key)
                if before is not after and not is_left:
                    made.append(Change(Place(box, key), before, after))
        return made

    def refilled(self) -> list[tuple[Spot, Any]]:
        """Lists and dicts that stand for others, and whose contents the code changed."""
        return [
            (spot, holder)
            for spot, holder, made in self.holders
            if len(holder) != len(made)
            or any(a is not b for a, b in zip(values_of(holder), made, strict=True))
        ]

    def missing(self, changes: Sequence[Change]) -> frozenset[str]:
        """Names of changed places that should have held symbols: the code has to run again."""
        names = set(self.needed)
        for box in self.reach.boxes:
            growing = self._growing.get(id(box.target))
            if growing is not None and growing.was_read:
                names.add(_is_read(box))
        for change in changes:
            name, box = change.place.name, change.place.box
            if change.grown and type(box.target) is list:
                names.add(_grows(box))
            if not box.kind.is_carried or change.grown or change.resized:
                continue
            if is_symbolic(change.before) or self.is_symbol_for(change.before):
                if name in self.settled and name not in self.moving:
                    names.add(name)
            elif may_vary(change.before):
                names.add(name)
        return frozenset(names) - self._changing

    def close(self) -> frozenset[str]:
        """The code is over; names of what has to be known before, for its next run."""
        return frozenset()

    def symbolic_attributes(self, owner: object) -> frozenset[str]:
        """The attributes of an object that held symbols, or that the code changes."""
        names = set[str]()
        for box, real, start in zip(self.reach.boxes, self._real, self.first, strict=True):
            if box.owner is owner:
                pairs = ((k, v, start.get(k, ABSENT)) for k, v in real.items())
                names.update(k for k, v, now in pairs if self.stood_for(now) is not v)
        return frozenset(names)

    def stood_for(self, value: Any) -> Any:
        """What is at a place between calls: the list that only grows, the function of ``math``."""
        return value.real if type(value) is Growing else real_of(value)

    def only_grows(self, box: Box) -> bool:
        """Whether the code appends to a list and never looks at it."""
        return id(box.target) in self._growing

    def is_replaced(self, box: Box) -> bool:
        """Whether the code saw symbols in a container's place, or only actions look at it."""
        return id(box.target) in self._replaced or id(box.target) in self.acted

    def holds(self, tensor: Handle) -> bool:
        """Whether a tensor was at a place before the trace."""
        return id(tensor) in self._tensors

    def home_of(self, storage: Storage) -> Spot | None:
        """Where a storage that stands for another one lives between calls."""
        return self._homes.get(id(storage))

    def stand_ins_met(self) -> list[tuple[Spot, Handle]]:
        """Where a tensor has a stand-in that the graph reads, and the stand-in."""
        cells = self._trace.cells
        return [(spot, twin) for spot, twin in self._shown if twin._storage in cells]

    def is_symbol_for(self, value: Any) -> Spot | None:
        """The spot that a stand-in or a symbolic container stands for."""
        known = self.spots.get(id(value))
        return None if known is None else known[1]


def _given(value: Any, values: Sequence[Any]) -> Any:
    return value


def _grows(box: Box) -> str:
    return f"{box.name} grows"


def _is_read(box: Box) -> str:
    return f"{box.name} is read"


def _resized(box: Box, start: dict[Any, Any], now: dict[Any, Any]) -> Change:
    grown = len(now) > len(start) and all(now[k] is v for k, v in start.items())
    items = list(now.values())[len(start) :] if grown else list(now.values())
    place = Place(box, len(start) if grown else 0)
    return Change(place, ABSENT, items, grown=grown, resized=not grown)

"""What a trace relies on in Python's objects: their contents, checked before each call.

What the trace only read is compared by identity, in C; only where an object was exchanged is it
looked at closer: another number that is equal is no change. A number or tensor that did change is
noted in ``moved``: the next trace reads it at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from operator import attrgetter, is_
from typing import Any

from nngraph.frontend.capture.boxes import ABSENT, Box, Kind, Place, slot_of
from nngraph.frontend.capture.carry import Carry
from nngraph.frontend.capture.program import Spot
from nngraph.frontend.capture.refusals import shown
from nngraph.frontend.capture.values import is_plain_number, numbers_in, same
from nngraph.frontend.record import Handle, Leaf
from nngraph.frontend.storage import Storage

__all__ = ["Holding"]

_Fact = tuple[str, Callable[[], bool], str | Callable[[], str], bool]

_contents = attrgetter("cell_contents")
_defaults = attrgetter("__defaults__", "__kwdefaults__")


class _At:
    """Where a key stands in a dict."""

    def __init__(self, position: int) -> None:
        self.position = position

    def __repr__(self) -> str:
        return f"at position {self.position}"


class _Row:
    """Some keys of one box, and what stood there.

    Args:
        box: the container.
        keys: that have to hold these values.
        values: of the keys.
        order: all keys that were there, in their order; None if others do not matter.
        names: what the code looks for in objects; another attribute does not matter.
    """

    def __init__(
        self,
        box: Box,
        keys: list[Any],
        values: list[Any],
        order: list[Any] | None,
        names: frozenset[str],
    ) -> None:
        self.box = box
        self.keys = keys
        self.values = values
        self.order = order
        self._size = None if order is None else len(order) + len(self._hidden)
        self._names = names

    def holds(self) -> bool:
        """Whether the same objects are there."""
        target, kind = self.box.target, self.box.kind
        if kind is Kind.LIST:
            if len(target) != self._size:
                return False
            there = target if len(self.keys) == self._size else map(target.__getitem__, self.keys)
            return all(map(is_, there, self.values))
        if kind is Kind.SLOTS:
            there = (slot_of(target, key) for key in self.keys)
            return all(map(is_, there, self.values)) and len(self.box.read()) == self._size
        if kind is Kind.SET:
            return bool(target == self.values[0])
        if kind is Kind.CLASS:
            target = vars(target)
        elif self.order is not None:
            if len(target) != self._size:
                return False
            if kind is Kind.ITEMS and not all(map(is_, target, self.order)):
                return False
        return all(map(is_, map(target.get, self.keys, repeat(ABSENT)), self.values))

    def differences(self) -> Iterator[tuple[Any, Any, Any]]:
        """Key, what stood there, and what is there; what is equal is taken for the same."""
        box = self.box
        now = box.read()
        if self.order is not None:
            known = {key: position for position, key in enumerate(self.order)}
            new = [key for key in now if key not in known and self._matters(key)]
            for key in new:
                yield key, ABSENT, now[key]
            if not new and all(map(now.__contains__, known)):
                at = {key: position for position, key in enumerate(now)}
                moved = [key for key in known if box.kind is Kind.ITEMS and at[key] != known[key]]
                for key in moved:
                    yield key, _At(known[key]), _At(at[key])
                if not moved:  # what does not matter is not looked at again
                    self._size = len(now) + len(self._hidden)
                    self.order = list(now) if box.kind is Kind.ITEMS else self.order
        for position, key in enumerate(self.keys):
            before, after = self.values[position], now.get(key, ABSENT)
            if before is after:
                continue
            if same(before, after) or _are_one(before, after):
                self.values[position] = after
            else:
                yield key, before, after

    @property
    def _hidden(self) -> list[Any]:
        """Keys that are there and do not count."""
        hidden = self.box.hidden
        return [key for key in self.box.target if key in hidden] if hidden else []

    def _matters(self, key: Any) -> bool:
        """Whether the code may find a new key; attributes it finds by their names."""
        if key in self.box.ignored:
            return False
        is_named = self.box.kind in (Kind.ATTRIBUTES, Kind.SLOTS) and not self.box.is_table
        return not is_named or key in self._names


class _Dicts:
    """Rows of dicts, looked at all at once, in C: each call looks at dozens."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        whole = [row for row in rows if row.order is not None]
        ordered = [row for row in whole if row.box.kind is Kind.ITEMS]
        self._tables = [row.box.target for row in whole]
        self._sizes = list(map(len, self._tables))
        self._ordered = [row.box.target for row in ordered]
        self._order = [key for row in ordered for key in row.order or ()]
        self._owners = [row.box.target for row in rows for _ in row.keys]
        self._keys = [key for row in rows for key in row.keys]
        self._values = [value for row in rows for value in row.values]

    def hold(self) -> bool:
        """Whether the same objects are there, and nothing else."""
        found = map(dict.get, self._owners, self._keys, repeat(ABSENT))
        return (
            list(map(len, self._tables)) == self._sizes
            and all(map(is_, found, self._values))
            and all(map(is_, chain.from_iterable(self._ordered), self._order))
        )


class Holding:
    """The contents that one trace relies on.

    Args:
        carry: of the trace.
        tables: dicts that the trace made, for what an optimizer keeps for a parameter.

    Attributes:
        moved: names of the places at which another number or tensor was found.
    """

    def __init__(self, carry: Carry, tables: Sequence[dict[Any, Any]]) -> None:
        self.moved: set[str] = set()
        self.why = ""
        self.described: list[str] = []
        if not carry.reach.is_complete:
            self.described.append(
                "the function reaches more objects than are looked at: what lies beyond the first "
                "20,000 is constant, and not guarded"
            )
        self._cells: list[Any] = []
        self._cell_boxes: list[Box] = []
        self._cell_values: list[Any] = []
        functions = [f for f in carry.reach.functions.values() if any(_defaults(f))]
        self._functions = functions
        self._defaults = list(map(_defaults, functions))
        self.open: list[_Row] = []
        self.covered: list[_Row] = []
        for index, box in enumerate(carry.reach.boxes):
            if box.is_guarded:
                self._watch(carry, index, box)
        self._dict_rows = [row for row in self.open if isinstance(row.box.target, dict)]
        self._others = [row for row in self.open if not isinstance(row.box.target, dict)]
        self._dicts: _Dicts | None = None
        for table in tables:
            box = Box(Kind.ITEMS, "optimizer.state[...]", table)
            box.ignored = frozenset(table)
            self.covered.append(_Row(box, [], [], [], carry.reach.sought))

    def _watch(self, carry: Carry, index: int, box: Box) -> None:
        real, start = carry.real(index), carry.first[index]
        held = (k for k, v in real.items() if carry.stood_for(start.get(k, ABSENT)) is v)
        kept = [key for key in held if key not in box.ignored]
        if box.kind is Kind.CELL:
            if kept:
                self.described += _constants(box, kept, [real[None]])
                self._cells.append(box.target)
                self._cell_boxes.append(box)
                self._cell_values.append(real[None])
            return
        if carry.is_replaced(box) or carry.only_grows(box) or (not real and box.keys is not None):
            return
        values = [real[key] for key in kept]
        self.described += _constants(box, kept, values)
        partly = box.keys is not None or box.kind is Kind.SET
        if box.kind is Kind.ITEMS and box.varying is True:
            partly = True  # options of an optimizer, to which a schedule adds its own
        order = None if partly else list(real)
        if box.kind is Kind.LIST and not kept and real:
            return
        row = _Row(box, kept, values, order, carry.reach.sought)
        (self.covered if box.covered else self.open).append(row)

    @property
    def _has_open(self) -> bool:
        return bool(self.open or self._cells or self._functions)

    def facts(self, carry: Carry) -> Iterator[_Fact]:
        """Guards: key, check and reason."""
        if self._has_open:
            yield "what the function reaches", self.check_open, self.reason, False
        if self.covered:
            yield "attributes of modules", self.check_covered, self.reason, True
        numbers = [(spot.reader(), kind) for spot, kind in held_numbers(carry)]
        if numbers:
            reason = "a number that calls read is of another type"
            yield "types of numbers", lambda: _are_of(numbers), reason, False
        tensors = [(s, form_of(s.read()), t._storage) for s, t in carry.stand_ins_met()]
        if tensors:
            reason = "a tensor that calls read from its place is of another kind"
            yield "types of tensors at places", lambda: _are_like(tensors), reason, False

    # -- checks ------------------------------------------------------------------------------
    def check_open(self) -> bool:
        """Whether all is there that users may change behind our back."""
        try:
            held = all(map(is_, map(_contents, self._cells), self._cell_values))
        except ValueError:
            held = False
        held = (held or self._look_at_cells()) and self._check(self._others)
        return held and self._check_dicts() and self._look_at_defaults()

    def check_covered(self) -> bool:
        """The same of objects that tell of their changes."""
        return self._check(self.covered)

    def _check_dicts(self) -> bool:
        if self._dicts is not None and self._dicts.hold():
            return True
        held = self._check(self._dict_rows)
        # What is equal, or does not matter, is what later calls are compared with.
        self._dicts = _Dicts(self._dict_rows) if held else None
        return held

    def _check(self, rows: Sequence[_Row]) -> bool:
        return all(row.holds() or self._look(row) for row in rows)

    def _look_at_cells(self) -> bool:
        held = True
        for position, box in enumerate(self._cell_boxes):
            before, after = self._cell_values[position], box.get(None)
            if before is not after and same(before, after):
                self._cell_values[position] = after
            elif before is not after:
                held = self._note(Place(box, None), before, after)
        return held

    def _look_at_defaults(self) -> bool:
        for function, known in zip(self._functions, self._defaults, strict=True):
            if not all(map(is_, _defaults(function), known)):
                self.why = f"{function.__name__} has other default arguments now"
                return False
        return True

    def _look(self, row: _Row) -> bool:
        held = True
        for key, before, after in row.differences():
            held = self._note(Place(row.box, key), before, after)
        return held

    def _note(self, place: Place, before: Any, after: Any) -> bool:
        if _varies(before) and _varies(after):
            self.moved.add(place.name)
        self.why = f"{place.name} was {shown(before)} and is {shown(after)} now"
        return False

    def reason(self) -> str:
        """What was found by the last check that failed."""
        return self.why


def _constants(box: Box, keys: Sequence[Any], values: Sequence[Any]) -> list[str]:
    """Numbers of the user's own that the graph may hold."""
    if box.covered or box.kind is Kind.CLASS:
        return []
    named = zip(keys, values, strict=True)
    return [f"{box.name_of(key)} = {v!r}" for key, v in named if is_plain_number(v)]


def _are_one(a: Any, b: Any) -> bool:
    """Whether two tensors show the same elements in the same way."""
    return (
        isinstance(a, Handle)
        and type(a) is type(b)
        and a._storage is b._storage
        and form_of(a) == form_of(b)
        and a._grad is b._grad
    )


def _varies(value: Any) -> bool:
    plain = isinstance(value, Handle) and type(value) is Handle._result and value._edge is None
    return is_plain_number(value) or plain


def held_numbers(carry: Carry) -> Iterator[tuple[Spot, type]]:
    """The numbers that the trace reads at each call, with the kind that they have to keep."""
    seen = set[str]()
    for content in carry.first:
        for value in content.values():
            for number in numbers_in(value):
                if not isinstance(number._slot, int):  # nothing needed it
                    continue
                (spot,) = carry.program.sources[number._slot]
                if spot.name not in seen:
                    seen.add(spot.name)
                    yield spot, type(number._value)


def form_of(tensor: Handle) -> tuple[Any, ...]:
    """What a trace relies on of a tensor that it reads by its place."""
    edge, path = tensor._edge, []
    link = tensor._path
    while link is not None:
        path.append((link.op, link.index))
        link = link.under
    kind = 0 if edge is None else 1 if isinstance(edge, Leaf) else 2
    return (tensor._storage.type, kind, *path)


def still(spot: Spot, wanted: Callable[[Any], bool]) -> bool:
    """Whether what is at a spot is as wanted; False where nothing is."""
    try:
        return wanted(spot.read())
    except (KeyError, IndexError, TypeError):
        return False


def _are_of(numbers: Sequence[tuple[Callable[[], Any], type]]) -> bool:
    try:
        return all(type(read()) is kind for read, kind in numbers)
    except (KeyError, IndexError, TypeError):
        return False


def _are_like(tensors: Sequence[tuple[Spot, tuple[Any, ...], Storage]]) -> bool:
    """Whether the tensors have these forms, and share storages where their stand-ins do."""
    there: dict[Storage, Storage] = {}
    for spot, form, stand_in in tensors:
        if not still(spot, is_tensor):
            return False
        tensor = spot.read()
        if form_of(tensor) != form:
            return False
        if there.setdefault(stand_in, tensor._storage) is not tensor._storage:
            return False
    return len({id(storage) for storage in there.values()}) == len(there)


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor."""
    return isinstance(value, Handle)

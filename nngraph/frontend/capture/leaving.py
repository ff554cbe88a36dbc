"""From what the traced code left at places of Python's objects to what a call puts there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.boxes import ABSENT, Kind, Place
from nngraph.frontend.capture.carry import Carry, Change
from nngraph.frontend.capture.effects import (
    Call,
    Effect,
    ListGrown,
    ListReplaced,
    PlaceSet,
    Recipe,
    Refilled,
)
from nngraph.frontend.capture.program import Spot
from nngraph.frontend.capture.pullback import Left, Placed
from nngraph.frontend.capture.reach import Reach
from nngraph.frontend.capture.refusals import history_is_gone, refuse_change, refuse_value
from nngraph.frontend.capture.values import dict_like, is_plain
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.host import is_host_number
from nngraph.frontend.record import Edge, Handle, Leaf, Lost, View
from nngraph.frontend.storage import Path, Storage
from nngraph.frontend.tensor import Tensor
from nngraph.ir.roles import Role

__all__ = ["Leaving"]

#: Gives the position of the graph's output that holds a part of a storage of the trace.
OutputOf = Callable[[Storage, Path | None, str], int]


class Leaving:
    """Makes the effects of one trace on places.

    Args:
        carry: what the trace knows about Python's objects.
        symbols: the tensors that stand for the arguments.
        output_of: adds outputs.

    Attributes:
        left: tensors with a history that a call makes for places.
        described: what a call changes, a line each.
        on_host: those lines that a graph alone does not do.
    """

    def __init__(
        self, carry: Carry, trace: Any, symbols: Sequence[TensorBase], output_of: OutputOf
    ) -> None:
        self.carry = carry
        self.trace = trace
        self.output_of = output_of
        self.left: list[tuple[Left, Tensor]] = []
        self.described: list[str] = []
        self.on_host: list[str] = []
        self._arguments = {id(s._storage): i for i, s in enumerate(symbols)}
        self._symbols = {id(s): i for i, s in enumerate(symbols)}
        self._known: dict[int, tuple[Any, Recipe]] = {}

    def effects(self, changes: Sequence[Change]) -> list[Effect]:
        """What a call does at places.

        Raises:
            TraceError: for a change that no call can make.
        """
        codes = list(self.carry.reach.functions)
        for change in changes:
            if not change.place.box.kind.is_carried:
                raise refuse_change(change.place, change.before, change.after, codes)
        made = [self._effect(change) for change in changes]
        self.described = [_described(change) for change in changes]
        pairs = zip(changes, self.described, strict=True)
        self.on_host = [line for change, line in pairs if self._is_on_host(change)]
        if self.carry.program.written:
            self.on_host.append("what Python computes at each call, such as `scheduler.step()`")
        for spot, holder in self.carry.refilled():
            keyed = holder if isinstance(holder, dict) else None
            values = keyed.items() if keyed is not None else enumerate(holder)
            parts = [self.recipe(value, spot.under(key)) for key, value in values]
            slot = self.carry.program.read(spot)
            made.append(Refilled(slot, spot.name, tuple(keyed or ()), tuple(parts)))
        return made

    def _is_on_host(self, change: Change) -> bool:
        """Whether later results depend on it, and the graph alone does not give it."""
        if _is_first(change) or change.grown or change.resized:
            return True
        given = {o.of for o in self.trace.graph.labels if o.role is Role.PLACE}
        decisive = self.carry.decisive()
        for spot, part in _parts(Spot(change.place), change.after):
            if not isinstance(part, Handle) and spot.name in decisive:
                return True
            own = self.carry.is_symbol_for(part)
            is_left = own is not None and own.name == spot.name
            if isinstance(part, Handle) and not is_left and spot.name not in given:
                return True
        return False

    def _effect(self, change: Change) -> Effect:
        place = change.place
        if change.grown or change.resized:
            items = tuple(
                self.recipe(value, Spot(Place(place.box, place.key + i)))
                for i, value in enumerate(change.after)
            )
            return (ListGrown if change.grown else ListReplaced)(place.box, items)
        symbolic = is_host_number(change.before) or self.carry.is_symbol_for(change.before)
        recipe = self.recipe(change.after, Spot(place))
        return PlaceSet(place, recipe, tells=place.box.covered and not symbolic)

    # -- values ------------------------------------------------------------------------------
    def recipe(self, value: Any, spot: Spot) -> Recipe:
        """How a call makes what the traced code left at a spot."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        made = self._recipe(value, spot)
        self._known[id(value)] = (value, made)
        return made

    def _recipe(self, value: Any, spot: Spot) -> Recipe:
        value = self.carry.stood_for(value)
        if is_host_number(value):
            slot = self.carry.slot(value)
            return lambda call: call.values[slot]
        found = self.carry.is_symbol_for(value)
        if found is not None:
            return self._found(found)
        if isinstance(value, Handle):
            return self._tensor(value, spot)
        if value is ABSENT or is_plain(value) or self.carry.reach.knows(value):
            return lambda call: value
        kind = type(value)
        named = isinstance(value, tuple) and hasattr(value, "_fields")
        if kind in (tuple, list) or isinstance(value, dict) or named:
            return self._container(value, spot)
        self._need_clean(value, spot.place)
        return lambda call: value

    def _found(self, spot: Spot) -> Recipe:
        slot = self.carry.program.read(spot)
        return lambda call: call.values[slot]

    def _container(self, value: Any, spot: Spot) -> Recipe:
        kind = type(value)
        if isinstance(value, dict):
            keys = list(value)
            parts = [self.recipe(part, spot.under(key)) for key, part in value.items()]

            def make(call: Call) -> Any:
                return dict_like(value, keys, (part(call) for part in parts))
        else:
            parts = [self.recipe(part, spot.under(key)) for key, part in enumerate(value)]

            def make(call: Call) -> Any:
                items = [part(call) for part in parts]
                return kind(*items) if hasattr(kind, "_fields") else kind(items)

        return _once(id(value), make)

    def _need_clean(self, value: Any, place: Place) -> None:
        """Refuses objects of other classes that hold what only the trace knows."""
        for box in Reach(value).boxes:
            if box.kind is Kind.GLOBALS:
                continue
            for part in box.read().values():
                traced = isinstance(part, Handle) and part._storage.elements.array is None
                if traced or is_host_number(part):
                    raise refuse_value(
                        place,
                        value,
                        f"a new object that holds tensors of this call ({box.name}). Keep tensors "
                        "in tuples, lists or dicts, or change attributes of an object that exists "
                        "before the call.",
                    )

    # -- tensors -----------------------------------------------------------------------------
    def _tensor(self, value: Handle, spot: Spot) -> Recipe:
        storage, path = value._storage, value._path
        position = self._symbols.get(id(value))
        if position is not None:
            return lambda call: _passed(call, position)
        if self.carry.holds(value):
            return lambda call: value
        if type(value) is not Tensor:
            raise refuse_value(
                spot.place,
                value,
                f"a new {type(value).__name__} at each call. Make it outside, and give it new "
                "elements inside: `with ng.no_grad(): p.copy_(new)`.",
            )
        edge = value._edge_in(self.trace)
        name = spot.name
        if isinstance(edge, Edge) and not self._is_outside(storage):
            output = self.output_of(storage, path, name)
            self.left.append((Placed(id(value)), value))
            return _once(id(value), lambda call: _handle(call.storage(output), None, edge, name))
        source = self._storage(storage, spot)

        def make(call: Call) -> Any:
            return _handle(source(call), path, edge, name)

        return _once(id(value), make)

    def _is_outside(self, storage: Storage) -> bool:
        """Whether the elements were there before the call."""
        is_held = storage.elements.array is not None or self.carry.home_of(storage) is not None
        return is_held or id(storage) in self._arguments

    def _storage(self, storage: Storage, spot: Spot) -> Callable[[Call], Storage]:
        position = self._arguments.get(id(storage))
        if position is not None:
            return lambda call: _passed(call, position)._storage
        home = self.carry.home_of(storage)
        if home is not None:
            slot = self.carry.program.read(home)
            return lambda call: call.values[slot]._storage
        if storage.elements.array is not None:
            return lambda call: storage
        output = self.output_of(storage, None, spot.name)
        return lambda call: call.storage(output)


def _parts(spot: Spot, value: Any) -> Iterator[tuple[Spot, Any]]:
    """What is in a value, with its spots, through tuples, lists and dicts."""
    if isinstance(value, tuple | list | dict):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(spot.under(key), part)
    else:
        yield spot, value


def _is_first(change: Change) -> bool:
    """Nothing was there: a later call may find what this one leaves, and do something else."""
    return change.before is ABSENT or change.before is None


def _described(change: Change) -> str:
    name = change.place.name
    if change.grown:
        return f"{change.place.box.name}: grows by {len(change.after)} at each call"
    if change.resized:
        return f"{change.place.box.name}: gets other items at each call"
    if change.after is ABSENT:
        return f"{name}: removed by a call"
    if _is_first(change):
        return f"{name}: made by the call that does not find it"
    return f"{name}: written at each call"


def _passed(call: Call, position: int) -> Any:
    """An argument; an array as a tensor that shares its memory."""
    value = call.passed[position]
    return value if isinstance(value, TensorBase) else from_array(value)


def _once(key: int, make: Recipe) -> Recipe:
    """What is at two places is made once a call."""

    def recipe(call: Call) -> Any:
        if key not in call.made:
            call.made[key] = make(call)
        return call.made[key]

    return recipe


def _handle(storage: Storage, path: Path | None, edge: Edge | Leaf | None, name: str) -> Tensor:
    made = Tensor(storage)
    if path is not None:
        made = Tensor(storage, View(made, path))
    if isinstance(edge, Leaf):
        made._edge = Leaf(made)
    elif edge is not None:
        made._edge = Edge(Lost(history_is_gone(name)), 0)
    return made

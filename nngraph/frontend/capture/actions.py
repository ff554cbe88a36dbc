"""Calls that only Python can make - a scheduler's step - as steps of each compiled call."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

from nngraph.frontend.capture.boxes import Box, Kind, Place
from nngraph.frontend.capture.program import Program, Spot
from nngraph.frontend.capture.reach import Reach
from nngraph.frontend.capture.refusals import refuse_action, refuse_value
from nngraph.frontend.host import concrete, is_host_number
from nngraph.frontend.record import Handle
from nngraph.frontend.world import eagerly

__all__ = ["Symbols", "boxes_of", "perform", "record"]

#: What an action may look at, but does not change: tensors, and what is kept for them.
_UNWALKED = frozenset({"state", "params", "defaults", "_modules", "_parameters", "_buffers"})

Symbols = Callable[[Any, Spot], Any]


def boxes_of(owner: object, without: Set[str] = frozenset()) -> list[Box]:
    """What an action of ``owner`` may change, but what stands at the keys ``without``."""
    reach = Reach(owner, _UNWALKED | without)
    return [box for box in reach.boxes if box.kind.is_carried and box.kind is not Kind.SET]


def perform(
    action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], boxes: Sequence[Box]
) -> None:
    """Does the action during the trace, on the numbers of the trace.

    Raises:
        TraceError: if an argument or an object that it looks at has a value only in a call.
    """
    for value in (*args, *kwargs.values()):
        if isinstance(value, Handle) and value._storage.elements.array is None:
            raise refuse_action(action)
    for box in boxes:
        for key, value in box.read().items():
            plain = _concrete(value, Place(box, key))
            if plain is not value:
                box.set(key, plain)
    with eagerly():
        action(*map(concrete, args), **{k: concrete(v) for k, v in kwargs.items()})


def record(
    program: Program,
    action: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    boxes: Sequence[Box],
    slot: Callable[[Any], int],
) -> None:
    """Makes the action a step of each call."""
    parts = [(slot(a), None) if is_host_number(a) else (None, a) for a in args]
    named = {k: (slot(a), None) if is_host_number(a) else (None, a) for k, a in kwargs.items()}

    def act(values: list[Any]) -> None:
        given = [a if i is None else values[i] for i, a in parts]
        with eagerly():
            action(*given, **{k: a if i is None else values[i] for k, (i, a) in named.items()})

    program.act(act, boxes)


def _concrete(value: Any, place: Place) -> Any:
    """A value of the trace without symbols."""
    if is_host_number(value):
        return concrete(value)
    if isinstance(value, Handle) and value._storage.elements.array is None:
        raise refuse_value(
            place, value, "a tensor of this call, which the schedule would look at before it exists"
        )
    if type(value) in (list, tuple) and any(map(is_host_number, value)):
        return type(value)(map(concrete, value))
    return value

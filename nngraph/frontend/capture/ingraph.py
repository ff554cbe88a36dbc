"""Python's numbers in the graph itself, for files: what a call changes of them becomes a state.

A compiled function computes with numbers of Python's before its graph runs, and leaves what it
changed in Python's objects. A file has no Python. So here each number that the code changes - a
counter, a learning rate, the counters of a schedule - is a state without axes, and what is computed
with it is nodes. The step of a schedule runs once for each way through its conditions (``paths``).
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nngraph.frontend.capture.actions import boxes_of
from nngraph.frontend.capture.boxes import ABSENT, Box, Kind
from nngraph.frontend.capture.carry import Carry, Change
from nngraph.frontend.capture.lowering import NotInGraph, Table, lowered, number_as
from nngraph.frontend.capture.numberstates import NumberStates
from nngraph.frontend.capture.paths import Decisions, Leaf, choose, joined, raising, ways
from nngraph.frontend.capture.program import Spot
from nngraph.frontend.capture.refusals import refuse_argument
from nngraph.frontend.capture.values import (
    container_like,
    is_numeric,
    is_plain_number,
    is_symbolic,
    kind_of,
    parts_of,
    same,
)
from nngraph.frontend.errors import TraceError, summary_of
from nngraph.frontend.host import AS_TEXT, HostNumber, concrete, is_host_number
from nngraph.frontend.modes import no_grad
from nngraph.frontend.record import Handle
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import eagerly
from nngraph.ir.dtypes import float64
from nngraph.ir.types import TensorType

__all__ = ["NumbersInGraph"]


class NumbersInGraph(Carry):
    """See the module.

    Args:
        steps: for how many steps a function that no graph computes gets a table of its values;
            None refuses it.
    """

    def __init__(
        self,
        reach: Any,
        plan: frozenset[str],
        changing: frozenset[str],
        trace: Any,
        steps: int | None,
    ) -> None:
        self._steps = steps
        self._made: dict[Hashable, HostNumber] = {}
        self._recipes: dict[int, tuple[Callable[..., Any], Sequence[Any]]] = {}
        self._nodes: dict[int, Tensor] = {}
        self._entered = set[int]()
        self._states = NumberStates(trace, changing)
        self._decisions: Decisions | None = None
        self._required: list[HostNumber] = []
        self._facts: list[tuple[HostNumber, Callable[[Any], Any], Any, str]] = []
        super().__init__(reach, plan, changing, trace)

    # -- numbers -----------------------------------------------------------------------------
    def _changes(self, slot: int) -> bool:
        """Whether a number is another one at each call, because the code changes it."""
        return (
            slot in self._recipes
            or slot in self._nodes
            or any(spot.place.name in self._changing for spot in self.program.sources[slot])
        )

    def compute(
        self, function: Callable[..., Any], args: Sequence[Any], varies: bool = False
    ) -> HostNumber:
        slots = [self.slot(a) for a in args if is_host_number(a)]
        if not any(map(self._changes, slots)):
            return super().compute(function, args, varies)
        key = (function, *((self.slot(a),) if is_host_number(a) else _key(a) for a in args))
        if key not in self._made:
            sources = frozenset[Spot]().union(*(self.program.sources[slot] for slot in slots))
            slot = self._add(sources)
            self._recipes[slot] = (function, tuple(args))
            value = _value(function, args)
            open_ = [self.program.varying.__contains__(s) for s in slots]
            if (varies or any(open_)) and not self._is_settled(function, args, value):
                self.program.varying.add(slot)
            self._made[key] = HostNumber(self, slot, value)
        return self._made[key]

    def _is_settled(self, function: Callable[..., Any], args: Sequence[Any], value: Any) -> bool:
        """Whether the kind of a result is known, though that of an operand is not."""
        if isinstance(value, bool | np.bool_) or function in _OF_ONE_KIND:
            return True
        floats = [isinstance(concrete(a), float) and not self._is_open(a) for a in args]
        return function in _ARITHMETIC and any(floats)

    def _is_open(self, value: Any) -> bool:
        """Whether a number may be an integer in one call and a float in the next."""
        return is_host_number(value) and self.slot(value) in self.program.varying

    def _add(self, sources: frozenset[Spot]) -> int:
        """A number of the graph: Python has nothing to do for it."""
        return self.program.add(lambda values, undo: None, sources)

    def enter(self, number: HostNumber, name: str) -> list[Tensor]:
        """A number that is an argument is an input of a file, as a tensor is."""
        kind = kind_of(number._value)
        slot = self.slot(number)
        value = self._trace.graph.add_input(TensorType(kind, ()), name)
        self._nodes[slot] = Tensor(self._trace.hold(value))
        self._entered.add(slot)
        return [self._nodes[slot]]

    def _need_no_argument(self, number: HostNumber, what: str) -> None:
        """Refuses to fix what each run of a file is given.

        Raises:
            ConcretizationError: naming the argument.
        """
        for spot in self.program.sources[self.slot(number)]:
            if spot.place.box.kind is Kind.ARGUMENTS:
                raise refuse_argument(what, spot.place.key)

    def settle(self, number: HostNumber, what: str) -> Any:
        self._need_no_argument(number, what)
        if self._decisions is None or what != AS_TEXT or not self._changes(self.slot(number)):
            return super().settle(number, what)
        sources = self.program.sources[self.slot(number)]
        return _Shown(", ".join(sorted(spot.name for spot in sources)))

    def decide(self, number: HostNumber, what: str) -> Any:
        if self._decisions is None or not self._changes(self.slot(number)):
            self._need_no_argument(number, what)
            return super().decide(number, what)
        return self._decisions.decide(number)

    def rely(self, number: HostNumber, fact: Callable[[Any], Any], known: Any, reason: str) -> None:
        if self._changes(self.slot(number)):
            self._facts.append((number, fact, known, reason))
        else:
            super().rely(number, fact, known, reason)

    def number(self, table: dict[str, Any], key: str, index: int | None, name: str) -> Any:
        value = table[key] if index is None else table[key][index]
        if not is_host_number(value) or not self._changes(self.slot(value)):
            return super().number(table, key, index, name)
        for spot in self.program.sources[value._slot]:
            if spot.place.box.target is table and spot.place.key == key:
                self._states.shown_as.setdefault(spot.name, f"optimizer.{name}")
        return number_as(self._tensor(value), float64)

    def scalar(self, number: HostNumber, name: str = "") -> Any:
        slot = self.slot(number)
        if not self._changes(slot):
            return super().scalar(number, name)
        if self._is_open(number):
            names = ", ".join(sorted(spot.name for spot in self.program.sources[slot]))
            raise NotInGraph(
                f"a number made of {names} may be an integer in one run and a float in the next: "
                "make it one of both with float() or int()"
            )
        if slot not in self._recipes and slot not in self._entered:
            self._states.asked |= {spot.name for spot in self.program.sources[slot]}
        return self._tensor(number)

    def returned(self, number: HostNumber) -> Any:
        return self.scalar(number)

    def call(self, function: Callable[[Any], Any], number: HostNumber) -> Any:
        """See ``HostProgram.call``: each way through it, or a table of its values."""
        try:
            return self._every_way(lambda: function(number), ())[0]
        except (TraceError, TypeError) as error:
            why = summary_of(error)
            if self._steps is None or type(number._value) is not int:
                raise NotInGraph(f"{_name(function)}: {why}") from error
        values = tuple(_value_at(function, step) for step in range(self._steps))
        self.told[
            f"{_name(function)} is in the file as a table of its values at the first "
            f"{self._steps} steps, and a run beyond them fails, because no graph computes it: "
            f"{why}"
        ] = None
        return self.compute(Table(values), (number,))

    # -- in the graph ------------------------------------------------------------------------
    def _tensor(self, number: HostNumber) -> Tensor:
        slot = self.slot(number)
        if slot not in self._nodes:
            recipe = self._recipes.get(slot)
            with no_grad():
                if recipe is None:
                    (spot,) = self.program.sources[slot]
                    made = self._states.of(spot, number._value)
                else:
                    function, args = recipe
                    value = 0.0 if self._is_open(number) else number._value
                    made = lowered(function, [self._operand(a) for a in args], value)
            self._nodes[slot] = made
        return self._nodes[slot]

    def _operand(self, value: Any) -> Any:
        if not is_host_number(value):
            return value
        return self._tensor(value) if self._changes(self.slot(value)) else super().scalar(value)

    def close(self) -> frozenset[str]:
        held = [self._holds(*fact) for fact in self._facts]
        required = [self._operand(each) for each in (*self._required, *held)]
        return self._states.close(self._operand, [each for each in required if each is not True])

    def _holds(
        self, number: HostNumber, fact: Callable[[Any], Any], known: Any, reason: str
    ) -> Any:
        """A fact that shaped the code, which has to hold in each run.

        Raises:
            NotInGraph: if it does not in the very next one.
        """
        after = [concrete(spot.read()) for spot in self.program.sources[number._slot]]
        if number._slot not in self._recipes and not all(fact(value) == known for value in after):
            raise NotInGraph(f"{reason} by the first run, which would be the last")
        return self._every_way(lambda: fact(number) == known, ())[0]

    # -- actions -----------------------------------------------------------------------------
    def act(
        self, owner: object, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        """The action's own code, each way, on symbols for what changes and numbers for the rest."""
        boxes = self._real_boxes(boxes_of(owner))
        own = self._real_boxes(boxes_of(owner, {"optimizer"}))
        self.acted.update(id(box.target) for box in own)
        given = [self._given(a) for a in args]
        named = {key: self._given(a) for key, a in kwargs.items()}
        before = [box.read() for box in boxes]
        plain = [self._plain(box, content) for box, content in zip(boxes, before, strict=True)]
        _, after = self._every_way(lambda: action(*given, **named), boxes)
        for at, box in enumerate(boxes):
            for key in dict.fromkeys((*before[at], *(k for number, k in after if number == at))):
                value = after.get((at, key), ABSENT)
                if _is_same(value, plain[at].get(key, ABSENT)):
                    box.set(key, before[at][key])
                    continue
                if is_numeric(value) or is_symbolic(value):
                    name = box.name_of(key)
                    self.needed.add(name)
                    self.moving.add(name)
                box.set(key, value)

    def _plain(self, box: Box, content: dict[Any, Any]) -> dict[Any, Any]:
        """Puts numbers where symbols stand of which the code changes nothing."""
        made = dict(content)
        for key, value in content.items():
            if box.name_of(key) not in self._changing and is_symbolic(value):
                made[key] = _concrete(value)
                box.set(key, made[key])
        return made

    def _given(self, value: Any) -> Any:
        """An argument: a tensor that only a call has is a number of the graph."""
        if not isinstance(value, Handle) or value._storage.elements.array is not None:
            return value
        slot = self._add(frozenset())
        self._nodes[slot] = value.detach().reshape(()).to(float64)  # type: ignore[attr-defined]
        return HostNumber(self, slot, float("nan"))

    def _every_way(
        self, run: Callable[[], Any], boxes: Sequence[Box]
    ) -> tuple[Any, dict[tuple[int, Any], Any]]:
        """What code gives, and what it leaves in boxes by their positions, of all its ways."""
        outer = self._decisions
        start = [box.read() for box in boxes]

        def one(wanted: Sequence[bool]) -> Leaf:
            decisions = self._decisions = Decisions(wanted, outer.known if outer else {})
            values: dict[Any, Any] = {}
            error: Exception | None = None
            try:
                with _quietly():
                    values["result"] = run()
                contents = enumerate(box.read() for box in boxes)
                values |= {(at, k): v for at, content in contents for k, v in content.items()}
            except TraceError:
                raise
            except (ArithmeticError, LookupError, RuntimeError, ValueError) as raised:
                error = raised
            finally:
                self._decisions = outer
                for box, content in zip(boxes, start, strict=True):
                    box.restore(content)
            return Leaf(decisions.taken, values, error)

        leaves = ways(one)
        found = raising(leaves, self._join)
        if found is not None:
            self._refuse(*found)
        values = joined(leaves, self._join, ABSENT)
        return values.pop("result"), values

    def _refuse(self, raises: Any, error: Exception) -> None:
        """A way that raises: a run that would go it fails."""
        if raises is True or (self._decisions is not None and bool(raises)):
            raise error
        if self._decisions is None:
            self._required.append(self.compute(choose, (raises, False, True)))

    def _join(self, condition: HostNumber, key: Any, yes: Any, no: Any) -> Any:
        if _is_same(yes, no):
            return yes
        if _is_number(yes) and _is_number(no):
            return self.compute(choose, (condition, yes, no))
        parts, others = parts_of(yes), parts_of(no)
        if type(yes) is not type(no) or parts is None or others is None:
            raise NotInGraph(f"{_key_name(key)} is {yes!r} on one way and {no!r} on another")
        if [k for k, _ in parts] != [k for k, _ in others]:
            raise NotInGraph(f"{_key_name(key)} has other items on another way")
        pairs = zip(parts, others, strict=True)
        return container_like(yes, [self._join(condition, key, a, b) for (_, a), (_, b) in pairs])

    # -- what the code changed ---------------------------------------------------------------
    def missing(self, changes: Sequence[Change]) -> frozenset[str]:
        """Numbers that the code changes have to be known as such when it begins."""
        names = {
            change.place.name
            for change in changes
            if change.place.box.kind.is_carried
            and (is_symbolic(change.before) or is_symbolic(change.after))
        }
        return super().missing(changes) | (names - self._changing)


#: What gives a number of one kind, whatever it is given; what gives a float if it is given one.
_OF_ONE_KIND = (float, int, operator.truediv, math.floor, math.ceil, math.trunc)
_ARITHMETIC = (
    *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, pow),
    *(operator.neg, operator.pos, operator.abs),
)


class _Shown(str):
    """A number in the text of an error that some runs raise."""

    __slots__ = ()

    def __format__(self, how: str) -> str:
        return str(self)


@contextmanager
def _quietly() -> Iterator[None]:
    """Warnings are for steps, not for looking at all ways of one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _value(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """What it gives for the numbers of the trace; on ways that no call goes it may give nothing."""
    try:
        return function(*map(concrete, args))
    except (ArithmeticError, ValueError, IndexError):
        return float("nan")


def _value_at(function: Callable[[Any], Any], step: int) -> float:
    """A row of a table.

    Raises:
        ValueError: if the function has none there.
    """
    try:
        with eagerly():
            return float(function(step))
    except Exception as error:
        raise ValueError(
            f"{_name(function)}({step}) raised {error!r}: schedule_steps= is for how many steps "
            "the function has values"
        ) from error


def _is_number(value: Any) -> bool:
    return is_host_number(value) or is_plain_number(value) or isinstance(value, bool | np.bool_)


def _is_same(a: Any, b: Any) -> bool:
    """Whether values are equal, containers of numbers by their parts."""
    if same(a, b):
        return True
    parts, others = parts_of(a), parts_of(b)
    if type(a) is not type(b) or parts is None or others is None or len(parts) != len(others):
        return False
    return all(k == j and _is_same(x, y) for (k, x), (j, y) in zip(parts, others, strict=True))


def _concrete(value: Any) -> Any:
    parts = parts_of(value)
    if parts is None:
        return concrete(value)
    return container_like(value, [_concrete(part) for _, part in parts])


def _key(value: Any) -> Hashable:
    return type(value), repr(value)


def _key_name(key: Any) -> str:
    return repr(key[1]) if isinstance(key, tuple) else "what a function gives"


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))

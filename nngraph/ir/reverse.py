"""Reverse-mode differentiation of a list of applied operators, whatever the operands are.

The same walk serves graphs (records are nodes), the frontend's tape (records are tape entries) and
operators that are differentiated through their decomposition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["Applied", "Record", "Recorder", "Walk", "cotangents", "needed", "reverse"]


class Record(Protocol):
    """One applied operator."""

    @property
    def op(self) -> Op: ...
    @property
    def inputs(self) -> Sequence[Any]: ...
    @property
    def outputs(self) -> Sequence[Any]: ...


@dataclass(frozen=True, eq=False)
class Applied:
    """A plain ``Record``."""

    op: Op
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


class Walk:
    """What ``reverse`` tells of its steps; by itself it changes nothing."""

    def begin(self, grads: dict[int, Any]) -> None:
        """The gradients so far, by the ids of operands: those of the seeds."""

    def reached(self, record: Record, grads: list[Any], runs: bool) -> list[Any]:
        """The gradients of a record's outputs are complete; gives those to go on with.

        Args:
            record: whose outputs.
            grads: None where there is none.
            runs: whether its rule runs next.
        """
        return grads

    def ran(self, record: Record, found: list[Any], grads: list[Any]) -> list[Any]:
        """The rule of a record ran; gives the gradients of its inputs to go on with."""
        return found

    def passed(self, record: Record) -> None:
        """Nothing of the record is to be done any more."""


class Recorder:
    """An operand that notes every operator applied to it and what it wraps.

    Differentiating an operator by its decomposition means running the decomposition on these.
    """

    __slots__ = ("inner", "records")

    def __init__(self, inner: Any, records: list[Applied]) -> None:
        self.inner = inner
        self.records = records

    @property
    def aval(self) -> TensorType:
        kind: TensorType = self.inner.aval
        return kind

    def apply(self, op: Op, operands: Sequence[Recorder]) -> tuple[Recorder, ...]:
        inner = self.inner.apply(op, [o.inner for o in operands])
        outs = tuple(Recorder(v, self.records) for v in inner)
        self.records.append(Applied(op, tuple(o.inner for o in operands), tuple(inner)))
        return outs


def needed(records: Iterable[Record], wanted: Iterable[Any]) -> set[int]:
    """Ids of all operands that depend on a wanted one (the wanted ones included)."""
    ids = {id(w) for w in wanted}
    for record in records:
        if record.op.differentiable and any(id(v) in ids for v in record.inputs):
            ids.update(id(o) for o in record.outputs if o.aval.dtype.is_floating_point)
    return ids


def reverse(
    records: Sequence[Record],
    seeds: Sequence[tuple[Any, Any]],
    wanted: Sequence[Any],
    add: Callable[[Any, Any], Any],
    walk: Walk | None = None,
) -> list[Any | None]:
    """Gradients of ``sum(<cotangent, output>)`` with respect to ``wanted`` operands.

    Args:
        records: in the order in which they were applied.
        seeds: (output, its cotangent) pairs.
        wanted: operands; a gradient is None where no output depends on it.
        add: sums two gradients.
        walk: hears of each step, and may change the gradients.
    """
    walk = walk or Walk()
    alive = needed(records, wanted)
    grads: dict[int, Any] = {}

    def accumulate(operand: Any, gradient: Any) -> None:
        known = grads.get(id(operand))
        grads[id(operand)] = gradient if known is None else add(known, gradient)

    for output, seed in seeds:
        accumulate(output, seed)
    keep = {id(w) for w in wanted}
    walk.begin(grads)
    for record in reversed(records):
        gs = [grads.get(id(o)) for o in record.outputs]
        is_reached = any(g is not None for g in gs)
        runs = is_reached and record.op.differentiable
        runs = runs and any(id(v) in alive for v in record.inputs)
        if runs or (is_reached and any(id(o) in keep for o in record.outputs)):
            gs = walk.reached(record, gs, runs)
            for o, g in zip(record.outputs, gs, strict=True):
                if g is not None:
                    grads[id(o)] = g
        if runs:
            needs = [id(v) in alive for v in record.inputs]
            found = cotangents(record.op, record.inputs, record.outputs, gs, needs, add)
            for operand, g in zip(record.inputs, walk.ran(record, found, gs), strict=True):
                if g is not None:
                    accumulate(operand, g)
            for o in record.outputs:
                if id(o) not in keep:
                    grads.pop(id(o), None)
        walk.passed(record)
    return [grads.get(id(w)) for w in wanted]


def cotangents(
    op: Op,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    grads: Sequence[Any],
    needs: Sequence[bool],
    add: Callable[[Any, Any], Any],
) -> list[Any | None]:
    """Input gradients of one operator, by its rule or else through its decomposition."""
    if type(op).defines("vjp"):
        thunks = op.vjp(inputs, outputs, grads)
        return [t() if n and t is not None else None for t, n in zip(thunks, needs, strict=True)]
    records: list[Applied] = []
    outs = op.decompose(*(Recorder(v, records) for v in inputs))
    seeds = [(o.inner, g) for o, g in zip(outs, grads, strict=True) if g is not None]
    # An operand that is passed twice has one gradient, from both places: its first place gets it.
    wanted = {id(v): v for v, n in zip(inputs, needs, strict=True) if n}
    found = dict(zip(wanted, reverse(records, seeds, list(wanted.values()), add), strict=True))
    return [found.pop(id(v), None) for v in inputs]

"""Applies operators to variables, records them, and walks the record backwards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from nngraph.frontend.modes import active_trace, is_grad_enabled, set_grad_enabled
from nngraph.frontend.userline import user_source
from nngraph.frontend.variable import VIEWS, Storage, Variable
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.reverse import Applied, reverse
from nngraph.ir.types import TypeMismatch
from nngraph.ops.elementwise import add

__all__ = ["Entry", "IndexRangeError", "OperandError", "apply_to_variables", "gradients"]

_clock = count()


class Entry:
    """One recorded operator: enough to run its gradient rule later.

    Outputs are kept as storages, not variables, so that tape and tensors form no reference cycle.
    """

    __slots__ = ("inputs", "op", "origin", "outputs", "time", "versions")

    def __init__(
        self, op: Op, inputs: Sequence[Variable], outputs: Sequence[Storage], origin: Origin
    ) -> None:
        self.op = op
        self.inputs: tuple[Variable, ...] | None = tuple(inputs)
        self.outputs = tuple(outputs)
        self.versions = tuple(s.version for s in self.storages())
        self.time = next(_clock)
        self.origin = origin

    def storages(self) -> list[Storage]:
        """Where the values are that a rule may read."""
        return [*(v.storage for v in self.inputs or ()), *self.outputs]

    def release(self) -> None:
        """Frees what backward saved."""
        self.inputs = None
        self.outputs = ()


def apply_to_variables(op: Op, operands: Sequence[Variable]) -> tuple[Variable, ...]:
    """Computes (eagerly) or adds a node (while tracing), and records if a gradient is wanted."""
    trace = active_trace()
    try:
        if trace is None:
            origin = NOWHERE
            storages = _evaluated(op, operands)
        else:
            origin = trace.origin()
            values = trace.add(op, [trace.read(v.storage) for v in operands], origin)
            storages = [Storage(None, v) for v in values]
    except TypeMismatch as error:
        raise _misfit(error, origin) from None
    except IndexError as error:
        raise IndexRangeError(str(error)) from None
    if isinstance(op, VIEWS):
        for storage in storages:
            storage.counter = operands[0].storage.counter
    wanted = op.differentiable and is_grad_enabled() and any(v.requires_grad for v in operands)
    if not wanted:
        return tuple(Variable(s) for s in storages)
    entry = Entry(op, operands, storages, origin)
    return tuple(
        Variable(s, True, entry, i) if s.type.dtype.is_floating_point else Variable(s)
        for i, s in enumerate(storages)
    )


def _evaluated(op: Op, operands: Sequence[Variable]) -> list[Storage]:
    op.infer(*(v.type for v in operands))  # the checks; eval assumes them
    payloads = [v.payload for v in operands]
    arrays = op.eval(*payloads)
    if isinstance(op, VIEWS):
        return [Storage(a) for a in arrays]
    return [Storage(_fresh(a, payloads)) for a in arrays]


def _fresh(array: Array, operands: Sequence[Array]) -> Array:
    """An array that later writes may change: contiguous, and no operand's memory."""
    flags = array.flags
    own = flags.c_contiguous and flags.writeable
    if own and flags.owndata and not any(array is o for o in operands):
        return array
    if own and not any(np.may_share_memory(array, o) for o in operands):
        return array
    return np.array(array, order="C")


class OperandError(TypeMismatch, RuntimeError):
    """Operands that do not fit: PyTorch raises ``RuntimeError`` here, ``ops`` ``TypeMismatch``."""


class IndexRangeError(IndexError, RuntimeError):
    """An index tensor with an element out of range: PyTorch raises either."""


def _misfit(error: TypeMismatch, origin: Origin) -> OperandError:
    place = f"\n    in {origin.module}" if origin.module else ""
    line = f"\n    {user_source()}" if active_trace() is not None else ""
    return OperandError(f"{error}{place}{line}")


def _history(roots: Sequence[Variable]) -> list[Entry]:
    """All entries that the roots depend on, in the order in which they were recorded."""
    seen: dict[int, Entry] = {}
    pending = [v.entry for v in roots if v.entry is not None]
    while pending:
        entry = pending.pop()
        if entry.time in seen:
            continue
        if entry.inputs is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time: its saved values were freed "
                "by the first backward. Pass retain_graph=True to the first call."
            )
        seen[entry.time] = entry
        pending += [v.entry for v in entry.inputs if v.entry is not None]
    return [seen[t] for t in sorted(seen)]


class _Guarded:
    """Hides values that were overwritten after an entry was recorded while its rule runs."""

    def __init__(self) -> None:
        self.hidden: list[tuple[Storage, Any, Any]] = []

    def enter(self, entry: Entry) -> None:
        self.leave()
        for storage, version in zip(entry.storages(), entry.versions, strict=True):
            if storage.version != version and not storage.missing:
                self.hidden.append((storage, storage.array, storage.value))
                storage.missing = (
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: a value of {entry.op.name} ({entry.origin}), of type "
                    f"{storage.type}, is at version {storage.version}; expected version {version}. "
                    "Change a clone() of it instead."
                )
                storage.array = storage.value = None

    def leave(self) -> None:
        for storage, array, value in self.hidden:
            storage.array, storage.value, storage.missing = array, value, ""
        self.hidden = []


class _Replay:
    """Entries as records whose operands have one identity each during one backward."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.outputs: dict[int, tuple[Variable, ...]] = {}
        self.records: list[Applied] = []
        self.entry_of: dict[int, Entry] = {}
        self.leaves: dict[int, Variable] = {}
        for entry in entries:
            outs = tuple(Variable(s, True, entry, i) for i, s in enumerate(entry.outputs))
            self.outputs[entry.time] = outs
            record = Applied(entry.op, tuple(self.canonical(v) for v in entry.inputs or ()), outs)
            self.records.append(record)
            self.entry_of[id(record)] = entry

    def canonical(self, variable: Variable) -> Variable:
        if variable.entry is not None:
            return self.outputs[variable.entry.time][variable.index]
        if variable.requires_grad:
            self.leaves[id(variable)] = variable
        return variable


def gradients(
    roots: Sequence[tuple[Variable, Variable]],
    wanted: Sequence[Variable] | None,
    create_graph: bool,
    retain_graph: bool,
) -> tuple[list[Variable], list[Variable | None]]:
    """Gradients of ``sum(<cotangent, root>)``.

    Args:
        roots: pairs of a variable and its cotangent.
        wanted: variables; None means all leaves that require grad.
        create_graph: record the gradient computation itself.
        retain_graph: keep saved values for another backward.

    Returns:
        The variables and their gradients (None where the roots don't depend on one).
    """
    entries = _history([r for r, _ in roots])
    replay = _Replay(entries)
    seeds = [(replay.canonical(r), g) for r, g in roots]
    targets = list(wanted) if wanted is not None else list(replay.leaves.values())
    known = {e.time for e in entries}
    keys = [replay.canonical(t) if t.entry is None or t.entry.time in known else t for t in targets]
    trace = active_trace()
    guarded = _Guarded()

    def enter(record: object) -> None:
        entry = replay.entry_of[id(record)]
        guarded.enter(entry)
        if trace is not None:
            trace.forced_origin = entry.origin.through("grad")

    try:
        with set_grad_enabled(create_graph):
            found = reverse(replay.records, seeds, keys, add, enter)
    finally:
        guarded.leave()
        if trace is not None:
            trace.forced_origin = None
    if not retain_graph:
        for entry in entries:
            entry.release()
    return targets, found

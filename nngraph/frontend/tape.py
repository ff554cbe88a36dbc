"""Applies operators to variables, records them, and walks the record backwards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from nngraph.frontend.modes import active_trace, is_grad_enabled, set_grad_enabled
from nngraph.frontend.variable import Storage, Variable
from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.reverse import Applied, reverse
from nngraph.ops.elementwise import add

__all__ = ["Entry", "apply_to_variables", "gradients"]

_clock = count()


class Entry:
    """One recorded operator: enough to run its gradient rule later.

    Outputs are kept as storages, not variables, so that tape and tensors form no reference cycle.
    """

    __slots__ = ("inputs", "op", "origin", "outputs", "time", "versions")

    def __init__(self, op: Op, inputs: Sequence[Variable], outputs: Sequence[Storage],
                 origin: Origin) -> None:  # fmt: skip
        self.op = op
        self.inputs: tuple[Variable, ...] | None = tuple(inputs)
        self.outputs = tuple(outputs)
        self.versions = tuple(v.storage.version for v in inputs)
        self.time = next(_clock)
        self.origin = origin

    def release(self) -> None:
        """Frees what backward saved."""
        self.inputs = None
        self.outputs = ()


def apply_to_variables(op: Op, operands: Sequence[Variable]) -> tuple[Variable, ...]:
    """Computes (eagerly) or adds a node (while tracing), and records if a gradient is wanted."""
    trace = active_trace()
    if trace is None:
        op.infer(*(v.type for v in operands))  # the checks; eval assumes them
        arrays = op.eval(*(v.payload for v in operands))
        storages = [Storage(a) for a in arrays]
        origin = NOWHERE
    else:
        origin = trace.origin()
        values = trace.add(op, [trace.read(v.storage) for v in operands], origin)
        storages = [Storage(None, v) for v in values]
    wanted = op.differentiable and is_grad_enabled() and any(v.requires_grad for v in operands)
    if not wanted:
        return tuple(Variable(s) for s in storages)
    entry = Entry(op, operands, storages, origin)
    return tuple(
        Variable(s, True, entry, i) if s.type.dtype.is_floating_point else Variable(s)
        for i, s in enumerate(storages)
    )


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


def _check_versions(entry: Entry) -> None:
    for position, (variable, version) in enumerate(
        zip(entry.inputs or (), entry.versions, strict=True)
    ):
        if variable.storage.version != version:
            raise RuntimeError(
                f"one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: input {position} of {entry.op.name} ({entry.origin}), of type "
                f"{variable.type}, is at version {variable.storage.version}; expected version "
                f"{version}. Change a clone() of it instead."
            )


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
    roots: Sequence[tuple[Variable, Variable]], wanted: Sequence[Variable] | None,
    create_graph: bool, retain_graph: bool,
) -> tuple[list[Variable], list[Variable | None]]:  # fmt: skip
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

    def enter(record: object) -> None:
        entry = replay.entry_of[id(record)]
        _check_versions(entry)
        if trace is not None:
            trace.forced_origin = entry.origin.through("grad")

    try:
        with set_grad_enabled(create_graph):
            found = reverse(replay.records, seeds, keys, add, enter)
    finally:
        if trace is not None:
            trace.forced_origin = None
    if not retain_graph:
        for entry in entries:
            entry.release()
    return targets, found

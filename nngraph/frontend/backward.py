"""Walks the tape backwards: gradients of what was recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from nngraph.frontend.anomaly import anomaly
from nngraph.frontend.hooks import run_after, run_after_adding, run_before, run_on_leaf
from nngraph.frontend.lanes.replay import Replayed, adder, is_foreign
from nngraph.frontend.modes import recording
from nngraph.frontend.record import Edge, Entry, Handle, Leaf, Lost, Saved, View
from nngraph.frontend.rows import Rows, attach, joined
from nngraph.frontend.storage import Elements, Payload, Storage
from nngraph.frontend.tape import Operand, apply, edge_of, save
from nngraph.frontend.userline import source_of
from nngraph.frontend.world import World, inside, world
from nngraph.ir.op import Op
from nngraph.ir.reverse import Applied, Record, Walk, reverse
from nngraph.ir.types import TensorType
from nngraph.ops.elementwise import add

__all__ = ["backpropagate", "gradients", "leaf_gradients", "leaves_of", "roots_above", "with_freed"]


class Version:
    """One version of a tensor as gradient rules compute with it.

    It is one operand for all entries that the version's gradient flows through. What is read is
    ``saved``, which the running entry saved: elements that were overwritten without a record keep
    their edge.
    """

    __slots__ = ("_replay", "edge", "saved")

    def __init__(self, saved: Saved, edge: Edge | Leaf | None, replay: _Replay) -> None:
        self.saved = saved
        self.edge = edge
        self._replay = replay

    @property
    def aval(self) -> TensorType:
        return self.saved.aval

    def apply(self, op: Op, operands: Sequence[Operand]) -> tuple[Any, ...]:
        return apply(op, operands)

    def _read(self, here: World) -> Payload:
        saved = self.saved
        storage, elements, version = self._now()
        elements = here.standing(storage, elements)
        if elements.version != version or not elements.keeps(saved.path):
            raise self._replay.overwritten(saved, here.elements(storage).version)
        return here.recall(elements, saved.path)

    def _now(self) -> tuple[Storage, Elements, int]:
        """What was saved, and its version: after ``t.data = other`` the other's elements."""
        saved, (storage, elements) = self.saved, self._kept()
        version = saved.version
        if not saved.follows:
            return storage, elements, version
        while (moved := elements.rebound) is not None and moved.storage is storage:
            if version != moved.version:
                break
            elements, version = moved.now, moved.since
        if elements is not saved.elements and storage.type != saved.aval:
            raise RuntimeError(
                f"t.data became a {storage.type} after an operator saved t, a {saved.aval}, for "
                "backward(): assign elements of the same type, or after it"
            )
        return storage, elements, version

    def _kept(self) -> tuple[Storage, Elements]:
        storage, elements = self.saved.storage, self.saved.elements
        if storage is None or elements is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time: its saved values were freed "
                "by the first backward. Pass retain_graph=True to the first call."
            )
        return storage, elements

    def _edge_in(self, here: World) -> Edge | Leaf | None:
        return self.edge

    def _saved(self, here: World, edge: Edge | Leaf | None) -> Saved:
        again = Saved(*self._kept(), self.saved.path, edge)
        again.version, again.follows = self.saved.version, self.saved.follows
        return again

    def _as_tensor(self) -> Handle:
        """A tensor of this version: it is never assigned to."""
        saved = self.saved
        storage, elements = self._kept()
        if storage.elements is not elements:
            storage = Storage.over(elements, storage.type)
        base: Handle = Handle._result(storage)
        if saved.path is None:
            base._edge = self.edge
            return base
        made: Handle = Handle._result(storage, View(base, saved.path), self.edge)
        return made


class _Replay:
    """Entries as records whose operands have one identity each during one backward."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.running: Entry | None = None
        self.regions: list[Any] = []  # what was computed again
        self.is_mapped = False  # whether something was recorded inside vmap
        self.ran: list[Entry] = []
        self.outputs: dict[int, tuple[Version, ...]] = {}
        self.leaves: dict[int, tuple[Leaf, Version]] = {}
        self.records: list[Applied] = []
        self.entry_of: dict[int, Entry] = {}
        for entry in entries:
            outs = tuple(Version(s, Edge(entry, i), self) for i, s in enumerate(entry.outputs))
            self.outputs[entry.time] = outs
            op = entry.op if entry.level is None else Replayed(entry.op, entry.level)
            self.is_mapped |= entry.level is not None
            record = Applied(op, tuple(map(self.operand, entry.inputs)), outs)
            self.records.append(record)
            self.entry_of[id(record)] = entry

    def adder(self, here: World) -> Callable[[Any, Any], Any]:
        """What adds two gradients."""
        return adder(here) if self.is_mapped else add

    def give_up(self, time: int) -> None:
        """Frees what regions computed again, if all of their entries are at this time or after."""
        for region in [r for r in self.regions if r.begins >= time]:
            region.strip()
            self.regions.remove(region)

    def enter(self, record: Record) -> Entry:
        """The rule of a record is about to run: operands read what its entry saved."""
        entry = self.running = self.entry_of[id(record)]
        self.ran.append(entry)
        for operand, saved in zip(record.inputs, entry.inputs, strict=True):
            operand.saved = saved
        for operand, saved in zip(record.outputs, entry.outputs, strict=True):
            operand.saved = saved
        return entry

    def operand(self, saved: Saved) -> Version:
        """The operand that stands for all that was saved of one version of a tensor."""
        edge = saved.edge
        if isinstance(edge, Edge) and edge.entry.time in self.outputs:
            return self.outputs[edge.entry.time][edge.index]
        if isinstance(edge, Leaf):
            return self.leaves.setdefault(id(edge), (edge, Version(saved, edge, self)))[1]
        return Version(saved, edge, self)

    def forget(self) -> None:
        """Breaks the cycle with the versions, so that what was saved is freed at once."""
        self.outputs.clear()
        self.leaves.clear()
        self.records.clear()

    def overwritten(self, saved: Saved, version: int) -> RuntimeError:
        """The error for a value that was overwritten after an entry saved it."""
        entry = self.running
        place = f"{entry.op.name} ({entry.origin})" if entry is not None else "the record"
        return RuntimeError(
            "one of the variables needed for gradient computation has been modified by an "
            f"inplace operation: a value of {place}, of type {saved.aval}, is at version "
            f"{version}; expected version {saved.version}. Change a clone() of it instead."
        )


def _history(roots: Sequence[Edge | Leaf | None], whole: bool = True) -> list[Entry]:
    """All entries that the roots depend on, in the order in which they were recorded.

    Raises:
        RuntimeError: where a history ends in a compiled call that left none, if it shall be whole.
    """
    seen: dict[int, Entry] = {}
    pending = [e.entry for e in roots if isinstance(e, Edge)]
    while pending:
        entry = pending.pop()
        if entry.time in seen or (isinstance(entry, Lost) and not whole):
            continue
        seen[entry.time] = entry
        pending += [s.edge.entry for s in entry.inputs if isinstance(s.edge, Edge)]
    return [seen[t] for t in sorted(seen)]


class _Hooked(Walk):
    """Runs hooks, and gives a leaf its gradient as soon as nothing more comes: PyTorch's order."""

    def __init__(
        self, here: World, replay: _Replay, deliver: Deliver | None, leaves: bool = True
    ) -> None:
        self._here = here
        self._replay = replay
        self._deliver = deliver
        self._runs_leaves = leaves  # their hooks
        self._waiting: dict[int, int] = {}
        self._uses: dict[int, int] = {}
        self._rows: dict[int, list[Rows]] = {}
        self._leaves = {id(version): (leaf, version) for leaf, version in replay.leaves.values()}
        self._grads: dict[int, Any] = {}

    def begin(self, grads: dict[int, Any]) -> None:
        self._grads = grads
        waiting = dict.fromkeys(self._leaves, 0)
        for record in self._replay.records:
            for operand in record.inputs:
                if id(operand) in waiting:
                    waiting[id(operand)] += 1
        self._waiting, self._uses = waiting, dict(waiting)
        for key, count in self._uses.items():
            if not count:
                self._complete(key)

    def reached(self, record: Record, grads: list[Any], runs: bool) -> list[Any]:
        entry = self._replay.entry_of[id(record)]
        if entry.hooks is not None:
            self._here.differentiate(None)
            with _where(entry, self._here):
                grads = run_before(entry.hooks, _tensors(grads), runs)
        if runs:
            if entry.region is not None:
                self._refill(entry, next(g for g in grads if g is not None))
            self._here.differentiate(self._replay.enter(record).origin)
        return grads

    def _refill(self, entry: Entry, gradient: Any) -> None:
        """Computes again what the entry saved; a region may give it to one inside."""
        self._here.differentiate(None)
        with _where(entry, self._here):
            while entry.region is not None and entry.region.is_bare:
                region = entry.region
                region.refill(*_tensors([gradient]))
                self._replay.regions.append(region)

    def ran(self, record: Record, found: list[Any], grads: list[Any]) -> list[Any]:
        entry = self._replay.entry_of[id(record)]
        if entry.sparse and grads[0] is not None:
            table, places = record.inputs
            self._rows.setdefault(id(table), []).append(looked_up(entry.op, places, grads[0]))
        if anomaly.looks_for_nan:
            need_no_nan(entry, _tensors(found), self._here)
        hooks = entry.hooks
        if hooks is None or not hooks.after:
            return found
        self._here.differentiate(None)
        with _where(entry, self._here):
            return run_after(hooks, _tensors(found), _tensors(grads))

    def passed(self, record: Record) -> None:
        if self._replay.regions:
            self._replay.give_up(self._replay.entry_of[id(record)].time)
        waiting = self._waiting
        for operand in record.inputs:
            key = id(operand)
            if key in waiting:
                waiting[key] -= 1
                if not waiting[key]:
                    self._complete(key)

    def _complete(self, key: int) -> None:
        leaf, gradient = self._leaves[key][0], self._grads.get(key)
        owner: Any = leaf.owner()
        if gradient is None or owner is None or not owner.requires_grad:
            return
        here = self._here
        here.differentiate(None)
        if self._replay.is_mapped and is_foreign(gradient, here):
            return
        hooks = here.hooks(owner) if self._runs_leaves else None
        if hooks is not None and hooks.before:
            gradient = self._grads[key] = run_on_leaf(hooks, *_tensors([gradient]))
        if self._deliver is not None:
            del self._grads[key]
            (given,) = _tensors([gradient])
            rows = self._rows.pop(key, [])
            if rows and len(rows) == self._uses[key] and (hooks is None or not hooks.before):
                known: Rows | None = rows[0]
                for more in rows[1:]:
                    known = joined(known, more)
                attach(given, known)
            self._deliver(owner, given)


def _where(entry: Entry, here: World) -> AbstractContextManager[None]:
    """The world of an entry's hooks."""
    return nullcontext() if entry.level is None else inside(entry.level.within(here))


def need_no_nan(entry: Entry, found: Sequence[Any], here: World) -> None:
    """Refuses a gradient with NaN in it.

    Raises:
        RuntimeError: naming the operator and the line that called it.
    """
    for index, gradient in enumerate(found):
        if gradient is None:
            continue
        array = here.peek(gradient._storage, gradient._path)
        if array is not None and np.isnan(np.asarray(array, np.float64)).any():
            known = entry.origin.file
            place = source_of(entry.origin) if known else "a line outside of anomaly detection"
            raise RuntimeError(
                f"Function '{entry.name()}' returned nan values in its {index}th output. The "
                f"operator was called at\n    {place}"
            )


def looked_up(op: Any, places: Version, grad: Any) -> Rows:
    """The rows of the gradient of a table: those that were looked up."""
    numbers, values = _tensors([places, grad])
    width = values.aval.shape[-1]
    return Rows(numbers.detach().reshape(-1), values.reshape(-1, width), op.padding_idx)


#: Takes a leaf and its gradient.
Deliver = Callable[[Any, Any], None]


def _tensors(gradients: Sequence[Any]) -> list[Any]:
    return [g._as_tensor() if isinstance(g, Version) else g for g in gradients]


def gradients(
    roots: Sequence[tuple[Handle, Any]],
    wanted: Sequence[Handle] | Deliver,
    create_graph: bool,
    retain_graph: bool,
) -> list[Any]:
    """Gradients of ``sum(<cotangent, root>)``.

    Args:
        roots: pairs of a tensor and its cotangent.
        wanted: tensors; or what each leaf that requires a gradient, and this, is given to.
        create_graph: record the gradient computation itself.
        retain_graph: keep saved values for another backward.

    Returns:
        The gradients of what was wanted, tensors: None where the roots don't depend on one.
    """
    here = world()
    starts = [save(here, root, edge_of(root, here)) for root, _ in roots]
    entries = _history([s.edge for s in starts])
    replay = _Replay(entries)
    seeds = [(replay.operand(s), seed) for s, (_, seed) in zip(starts, roots, strict=True)]
    deliver = wanted if callable(wanted) else None
    if callable(wanted):
        targets = [version for _, version in replay.leaves.values()]
    else:
        targets = [replay.operand(save(here, t, edge_of(t, here))) for t in wanted]
    try:
        with recording(create_graph):
            walk = _Hooked(here, replay, deliver)
            found = reverse(replay.records, seeds, targets, replay.adder(here), walk)
    finally:
        here.differentiate(None)
        replay.forget()
    if not retain_graph:
        # What lies behind the tensors that were asked for did not run: it stays.
        for entry in entries if deliver is not None else replay.ran:
            entry.release()
    replay.give_up(0)
    return _tensors(found)


def leaf_gradients(roots: Sequence[tuple[Handle, Any]]) -> list[tuple[Handle, Any]]:
    """The leaves that the roots depend on, each with the gradient of ``sum(<cotangent, root>)``.

    Nothing is freed, and hooks of leaves don't run: the gradients are not the leaves' yet.
    """
    here = world()
    starts = [save(here, root, edge_of(root, here)) for root, _ in roots]
    replay = _Replay(_history([s.edge for s in starts]))
    seeds = [(replay.operand(s), seed) for s, (_, seed) in zip(starts, roots, strict=True)]
    leaves = list(replay.leaves.values())
    try:
        with recording(False):
            walk = _Hooked(here, replay, None, leaves=False)
            found = reverse(
                replay.records, seeds, [version for _, version in leaves], replay.adder(here), walk
            )
    finally:
        here.differentiate(None)
        replay.forget()
    replay.give_up(0)
    pairs = zip((leaf.owner() for leaf, _ in leaves), _tensors(found), strict=True)
    return [(owner, g) for owner, g in pairs if owner is not None and g is not None]


def roots_above(roots: Mapping[int, Handle]) -> dict[int, int]:
    """From which roots ``backward`` reaches a leaf: for the id of each a number, a bit a root.

    Args:
        roots: by the positions of their bits.
    """
    here = world()
    edges = {position: edge_of(root, here) for position, root in roots.items()}
    leaves: dict[int, int] = defaultdict(int)
    entries: dict[int, int] = defaultdict(int)

    def meet(edge: Edge | Leaf | None, bits: int) -> None:
        if isinstance(edge, Edge):
            entries[edge.entry.time] |= bits
        elif edge is not None:
            leaves[id(edge.owner())] |= bits

    for position, edge in edges.items():
        meet(edge, 1 << position)
    for entry in reversed(_history(list(edges.values()))):
        for saved in entry.inputs:
            meet(saved.edge, entries[entry.time])
    return leaves


def is_retained(roots: Sequence[Handle]) -> bool:
    """Whether ``backward`` of the roots would leave a gradient in a tensor that is no leaf."""
    here = world()
    return any(
        ref() is not None
        for entry in _history([edge_of(root, here) for root in roots], whole=False)
        if entry.hooks is not None
        for refs in entry.hooks.retained.values()
        for ref in refs
    )


def with_freed(tensors: Sequence[Handle]) -> list[bool]:
    """For each tensor, whether ``backward`` freed something that its history had saved."""
    here = world()
    edges = [edge_of(t, here) for t in tensors]
    freed: set[int] = set()
    for entry in _history(edges, whole=False):  # what an entry depends on comes before it
        kept = (saved.edge.entry.time for saved in entry.inputs if isinstance(saved.edge, Edge))
        is_bare = entry.region is None and any(saved.storage is None for saved in entry.inputs)
        if is_bare or any(time in freed for time in kept):
            freed.add(entry.time)
    return [isinstance(e, Edge) and e.entry.time in freed for e in edges]


def backpropagate(
    roots: Sequence[tuple[Handle, Any]], retain_graph: bool, create_graph: bool, inputs: Any = None
) -> None:
    """Adds gradients of roots, given theirs, to ``grad`` of inputs; of all leaves if None.

    Raises:
        RuntimeError: for no inputs, and for one that requires no gradient.
    """

    def deliver(leaf: Any, found: Any) -> None:
        leaf._accumulate(found, create_graph)
        run_after_adding(leaf)

    if inputs is None:
        gradients(roots, deliver, create_graph, retain_graph)
        return
    wanted: list[Any] = [inputs] if isinstance(inputs, Handle) else list(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if not all(t.requires_grad for t in wanted):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    found = gradients(roots, wanted, create_graph, retain_graph)
    with recording(create_graph):
        for tensor, gradient in zip(wanted, found, strict=True):
            if gradient is not None:
                deliver(tensor, gradient)


def leaves_of(tensor: Handle) -> set[int]:
    """The ids of the tensors that ``backward`` of this one would give gradients."""
    found: set[int] = set()
    waiting: list[Edge | Leaf | None] = [edge_of(tensor, world())]
    seen: set[int] = set()
    while waiting:
        edge = waiting.pop()
        if isinstance(edge, Leaf):
            found.add(id(edge.owner()))
        elif edge is not None and edge.entry.time not in seen:
            seen.add(edge.entry.time)
            waiting += [saved.edge for saved in edge.entry.inputs]
    return found

"""A part of the tape that keeps no elements: ``backward`` computes them again.

A region runs a function and takes what its entries saved away from them. When a rule of one of
them is about to run, the function runs once more, on the same arguments, with the same random
numbers and in the same modes; its new entries give what they saved to the old ones. In a trace the
second run is behind operators that no pass takes away (``after``), so that its results are other
values than the first run's, and come when the gradient is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any
from weakref import ref

from nngraph.frontend.generator import default_generator, first_draw
from nngraph.frontend.modes import recording
from nngraph.frontend.pytree import flatten, unflatten
from nngraph.frontend.record import Edge, Entry, Handle, Saved, tick
from nngraph.frontend.tape import edge_of
from nngraph.frontend.world import inside, world
from nngraph.ops.broadcast import reshape
from nngraph.ops.elementwise import after, isnan
from nngraph.ops.shape.slicing import slice as slice_of

__all__ = ["CheckpointError", "Region"]

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


class CheckpointError(RuntimeError):
    """A function did something else when it was computed again."""


class Region:
    """One call that is computed again.

    Attributes:
        entries: what it recorded, in an order that follows from its results; the tape holds them.
        is_bare: whether they hold no elements.
        begins: the time of the first entry.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        contexts: Contexts,
        keeps_random: bool,
        checks: bool,
    ) -> None:
        self.function, self.contexts, self.checks = function, contexts, checks
        self.keeps_random = keeps_random
        self.leaves: list[Any] = []
        self.tree = flatten((args, kwargs), self.leaves)
        self.entries: list[ref[Entry]] = []
        self.is_bare = False
        self.begins = 0
        self.drawn: Any = None
        self.modes = copy_context()
        here = world()
        self.versions = [
            here.elements(v._storage).version if isinstance(v, Handle) else 0 for v in self.leaves
        ]

    def forward(self) -> Any:
        """The call; what it recorded is bare afterwards."""
        start = tick()
        args, kwargs = unflatten(self.tree, self.leaves)
        with self.contexts[0], first_draw() as drawn:
            returned = self.function(*args, **kwargs)
        self.drawn = drawn[0] if drawn and self.keeps_random else None
        recorded = _recorded(returned, start)
        for entry in recorded:
            entry.region = self
        self.entries = [ref(entry) for entry in recorded]
        self.begins = min((entry.time for entry in recorded), default=start)
        self.strip()
        return returned

    def strip(self) -> None:
        """Takes what the entries saved away from those that may run again."""
        for reference in self.entries:
            entry = reference()
            if entry is None or entry.region is None:
                continue  # freed for good
            entry.region = self
            for saved in (*entry.inputs, *entry.outputs):
                if not saved.is_number:
                    saved.release()
        self.is_bare = True

    def refill(self, gradient: Any) -> None:
        """Runs the function again, and gives the entries what they saved.

        Args:
            gradient: that of a result; in a trace what is computed again waits for it.

        Raises:
            CheckpointError: if it does not do what it did.
            RuntimeError: if an argument was changed in place since.
        """
        here = world()
        self._need_unchanged()
        fresh = self.modes.copy().run(self._again, here, gradient)
        known = [reference() for reference in self.entries]
        _need_alike(known, fresh, self.checks)
        self.is_bare = False
        for old, new in zip(known, fresh, strict=True):
            if old is not None and old.region is self:
                _hand_over(old, new)

    def _again(self, here: Any, gradient: Any) -> list[Entry]:
        with inside(here), recording(True), self.contexts[1]:
            when = _token(gradient)
            args, kwargs = unflatten(self.tree, [_apart(v, when) for v in self.leaves])
            start, before = tick(), None
            if self.drawn is not None:
                before = default_generator.get_state()
                default_generator._state._write(_behind(self.drawn, when))
            try:
                return _recorded(self.function(*args, **kwargs), start)
            finally:
                if before is not None:
                    default_generator._state._write(before)

    def _need_unchanged(self) -> None:
        here = world()
        for leaf, version in zip(self.leaves, self.versions, strict=True):
            if isinstance(leaf, Handle) and here.elements(leaf._storage).version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: an argument of a checkpoint, of type {leaf.aval}. Pass a "
                    "clone() of it, or change that."
                )


def _recorded(returned: Any, start: int) -> list[Entry]:
    """The entries since ``start`` that results depend on."""
    here, leaves = world(), list[Any]()
    flatten(returned, leaves)
    pending = [edge_of(v, here) for v in reversed(leaves) if isinstance(v, Handle)]
    found: list[Entry] = []
    seen: set[int] = set()
    while pending:
        edge = pending.pop()
        if not isinstance(edge, Edge) or edge.entry.time < start or edge.entry.time in seen:
            continue
        seen.add(edge.entry.time)
        found.append(edge.entry)
        pending += [saved.edge for saved in reversed(edge.entry.inputs)]
    return found


def _apart(leaf: Any, when: Any) -> Any:
    """An argument, outside of its history, for the second run."""
    if not isinstance(leaf, Handle):
        return leaf
    tensor: Any = leaf
    made = _behind(tensor.detach(), when)
    return made.requires_grad_() if tensor.requires_grad else made


def _behind(tensor: Any, when: Any) -> Any:
    if when is None:
        return tensor
    with recording(False):
        return after(tensor, when)


def _token(gradient: Any) -> Any:
    """A bool that is known when the gradient is; None eagerly, where all is in order anyway."""
    kind = gradient.aval
    if world().peek(gradient._storage, gradient._path) is not None or 0 in kind.shape:
        return None
    with recording(False):
        first = slice_of(gradient, (0,) * kind.rank, (1,) * kind.rank) if kind.rank else gradient
        return isnan(reshape(first, ()))


def _need_alike(old: Sequence[Entry | None], new: Sequence[Entry], types: bool) -> None:
    if len(old) != len(new):
        raise CheckpointError(
            "checkpoint: A different number of tensors was saved during the original forward and "
            f"recomputation: {len(old)} operators were recorded, and {len(new)} when the function "
            "ran again. It has to do the same both times."
        )
    for one, two in zip(old, new, strict=True):
        if one is None or not types:
            continue
        kinds = [[s.aval for s in (*e.inputs, *e.outputs)] for e in (one, two)]
        if type(one.op) is not type(two.op) or kinds[0] != kinds[1]:
            raise CheckpointError(
                "checkpoint: Recomputed values for the following tensors have different metadata "
                f"than during the forward pass: {one.op.name} {list(map(str, kinds[0]))} was "
                f"{two.op.name} {list(map(str, kinds[1]))} when the function ran again"
            )


def _hand_over(old: Entry, new: Entry) -> None:
    """What a new entry saved; or what computes that, where it is bare itself."""
    if new.region is not None:
        region: Region = new.region
        region.begins = min(region.begins, old.time)
        place = next(i for i, reference in enumerate(region.entries) if reference() is new)
        region.entries[place] = ref(old)
        old.region = region
        return
    pairs = zip((*old.inputs, *old.outputs), (*new.inputs, *new.outputs), strict=True)
    for saved, fresh in pairs:
        _need_version(old, saved, fresh)
        saved.storage, saved.elements, saved.path = fresh.storage, fresh.elements, fresh.path
        saved.version, saved.follows = fresh.version, fresh.follows


def _need_version(entry: Entry, saved: Saved, fresh: Saved) -> None:
    if saved.edge is not None and saved.edge is fresh.edge and saved.version != fresh.version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: a value of {entry.op.name} in a checkpoint, of type {saved.aval}, is at "
            f"version {fresh.version}; expected version {saved.version}."
        )

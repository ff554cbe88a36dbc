"""What a tensor is made of, and what the tape writes down: plain data.

``Handle`` is a tensor without its methods: storage, view, edge and gradient. The edge says what
``backward`` runs for the tensor. A trace in progress keeps what it changes to itself, so that all
of this is read through the world (``nngraph.frontend.world``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar
from weakref import ref

from nngraph.frontend.handles import RemovableHandle, added
from nngraph.frontend.storage import Elements, Path, Storage
from nngraph.frontend.tables import HookTable
from nngraph.ir.op import Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType

__all__ = [
    "Edge",
    "Entry",
    "EntryHooks",
    "Handle",
    "Leaf",
    "LeafHooks",
    "Lost",
    "Saved",
    "View",
    "tick",
]

_clock = count()


def tick() -> int:
    """A time after that of all entries so far."""
    return next(_clock)


Hook = Callable[..., Any]


class LeafHooks:
    """The hooks of a leaf, by the ids of their handles.

    Attributes:
        before: called with the gradient, before it is added to ``grad``.
        after: called with the leaf, after that.
    """

    __slots__ = ("after", "before")

    def __init__(self, before: Sequence[Hook] = (), after: Sequence[Hook] = ()) -> None:
        self.before: dict[int, Hook] = HookTable(enumerate(before))
        self.after: dict[int, Hook] = HookTable(enumerate(after))

    @property
    def listed(self) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
        """The functions, in the order of their running."""
        return tuple(self.before.values()), tuple(self.after.values())


class EntryHooks:
    """The hooks of a tape entry.

    Attributes:
        outputs: of each output those that get its gradient.
        retained: of each output the tensors whose ``grad`` it becomes.
        before: called with the gradients of all outputs, before the rule runs.
        after: called with the gradients of all inputs and outputs, after that.
    """

    __slots__ = ("after", "before", "outputs", "retained")

    def __init__(self) -> None:
        self.outputs: dict[int, OrderedDict[int, Hook]] = {}
        self.retained: dict[int, list[ref[Any]]] = {}
        self.before = OrderedDict[int, Hook]()
        self.after = OrderedDict[int, Hook]()

    def of_output(self, index: int) -> OrderedDict[int, Hook]:
        """The table of one output."""
        return self.outputs.setdefault(index, OrderedDict())


class Leaf:
    """The edge of a tensor that nothing recorded made: ``backward`` fills its ``grad``.

    Attributes:
        owner: the tensor.
        is_made: whether it stands in a trace for one that operators outside made, which code may
            write in place.
    """

    __slots__ = ("is_made", "owner")

    def __init__(self, owner: Handle, is_made: bool = False) -> None:
        self.owner: ref[Handle] = ref(owner)
        self.is_made = is_made

    def name(self) -> str:
        """What adds to ``grad``, by PyTorch's name."""
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Handle | None:
        """The tensor; None if it is gone."""
        return self.owner()

    @property
    def next_functions(self) -> tuple[()]:
        """Nothing: here the gradient ends."""
        return ()

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class Edge:
    """The edge of a recorded result: the tape entry that made it, and which output it is."""

    __slots__ = ("entry", "index")

    def __init__(self, entry: Entry, index: int) -> None:
        self.entry = entry
        self.index = index


class GivenEdge(Edge):
    """The edge of a tensor to which calls of compiled functions assign: each call gives another."""

    __slots__ = ()


class Saved:
    """One version of a tensor, as an entry keeps it: no tensor, so that no cycle forms.

    Attributes:
        storage: None once ``backward`` freed what was saved; type and edge stay.
        follows: whether other ``data`` of the tensor takes the place of what was saved, as in
            PyTorch, where operators save the operand itself, but the elements of their results.
    """

    __slots__ = ("aval", "edge", "elements", "follows", "path", "storage", "version")

    def __init__(
        self, storage: Storage, elements: Elements, path: Path | None, edge: Edge | Leaf | None
    ) -> None:
        self.storage: Storage | None = storage
        self.elements: Elements | None = elements
        self.path = path
        self.edge = edge
        self.aval: TensorType = storage.type if path is None else path.type
        self.version = elements.version
        self.follows = False

    @property
    def is_number(self) -> bool:
        """Whether it has no axes and no history, and no tensor shows it any more."""
        storage = self.storage
        if self.aval.rank or self.edge is not None or storage is None:
            return False
        return not storage.tensors()

    def release(self) -> None:
        """Frees the elements."""
        self.storage = self.elements = self.path = None


class Entry:
    """One recorded operator: enough to run its gradient rule later.

    Attributes:
        inputs: with their edges.
        outputs: without edges; the entry itself is their edge.
        time: orders the entries.
        origin: where the user called it.
        hooks: what ``backward`` calls here; None if nothing was ever registered.
        level: the ``vmap`` inside which it was recorded, if any.
        region: what computes again what it saved, if that was given up.
        sparse: whether it looked up rows of its first input, whose gradient shall know them.
    """

    __slots__ = (
        "__weakref__",
        "hooks",
        "inputs",
        "level",
        "op",
        "origin",
        "outputs",
        "region",
        "sparse",
        "time",
    )

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Saved],
        outputs: Sequence[Saved],
        origin: Origin,
        level: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.time = next(_clock)
        self.origin = origin
        self.level = level
        self.hooks: EntryHooks | None = None
        self.region: Any = None
        self.sparse = False

    def name(self) -> str:
        """The operator's class, as PyTorch names it: ``MulBackward0``."""
        return self.op.backward_name

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Entry | Leaf | None, int], ...]:
        """What made each operand: an entry and the position among its outputs, or a leaf."""
        edges = (saved.edge for saved in self.inputs)
        return tuple((e.entry, e.index) if isinstance(e, Edge) else (e, 0) for e in edges)

    def register_prehook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook(grad_outputs)`` before the rule runs; it may return another tuple."""
        return added(self.hooks_made().before, hook)

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Calls ``hook(grad_inputs, grad_outputs)`` after it; it may return other grad_inputs."""
        return added(self.hooks_made().after, hook)

    def hooks_made(self) -> EntryHooks:
        """The hooks, to add one."""
        if self.hooks is None:
            self.hooks = EntryHooks()
        return self.hooks

    def release(self) -> None:
        """Frees what was saved; a rule that reads none of it can run again.

        Python's numbers, which are tensors for the operator only, stay: PyTorch has operators that
        take a number and save nothing (``add`` with ``alpha``, ``copy_``), and these have several.
        """
        self.region = None
        for saved in self.inputs:
            if not saved.is_number:
                saved.release()
        for saved in self.outputs:
            saved.release()


class Lost(Entry):
    """Stands for a history that a compiled call did not leave behind.

    Attributes:
        why: what ``backward`` through it says.
    """

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why
        self.time = next(_clock)
        self.hooks = self.level = self.region = None

    def name(self) -> str:
        return "CompiledFunctionBackward"

    @property
    def inputs(self) -> Sequence[Saved]:  # type: ignore[override]
        raise RuntimeError(self.why)


class View:
    """What makes a tensor a view.

    Attributes:
        base: the tensor whose history the view shares; it is no view when the view is made.
        path: how its elements are read from the storage, which is the base's.
    """

    __slots__ = ("base", "path")

    def __init__(self, base: Handle, path: Path) -> None:
        self.base = base
        self.path = path


class Handle:
    """A tensor without its methods.

    Attributes:
        _storage: where the elements are.
        _view: which part of the storage it shows; None for the whole.
        _edge: what ``backward`` runs for it: None if it requires no gradient.
        _seen: of a view, the edge that its base had when ``_edge`` was taken.
        _grad: the gradient that ``backward`` left.
        _hooks: of a leaf, what ``backward`` calls; None if nothing was ever registered.
    """

    __slots__ = ("__weakref__", "_edge", "_grad", "_hooks", "_seen", "_storage", "_view")
    _result: ClassVar[Any]  # the class of all results: Tensor
    _made_of: ClassVar[Any]  # makes a tensor of what users call the class with

    _storage: Storage
    _view: View | None
    _edge: Edge | Leaf | None

    def __init__(self, storage: Any = (), view: Any = None, edge: Any = None, *more: int) -> None:
        if storage.__class__ is not Storage:
            made = self._made_of([storage, *(v for v in (view, edge, *more) if v is not None)])
            storage, view, edge = made._storage, made._view, made._edge
        storage.show(self)
        self._storage = storage
        self._view = view
        self._edge = edge
        self._seen: Edge | Leaf | None = None
        self._grad: Any = None
        self._hooks: LeafHooks | None = None

    def _moved(self, storage: Storage) -> None:
        """Shows another storage of the same elements, with the history that it has."""
        view = self._view
        if view is not None:
            base = Handle._result(storage)
            base._edge = view.base._edge
            self._view = View(base, view.path)
        storage.show(self)
        self._storage = storage

    @property
    def _hooks_listed(self) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
        """What ``backward`` calls for a leaf with its gradient, and after adding to it."""
        return ((), ()) if self._hooks is None else self._hooks.listed

    @property
    def _path(self) -> Path | None:
        return None if self._view is None else self._view.path

    @property
    def aval(self) -> TensorType:
        """Element type and shape as the graph has them."""
        view = self._view
        return self._storage.type if view is None else view.path.type

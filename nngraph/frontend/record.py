"""What a tensor is made of, and what the tape writes down: plain data.

``Handle`` is a tensor without its methods: storage, view, edge and gradient. The edge says what
``backward`` runs for the tensor. A trace in progress keeps what it changes to itself, so that all
of this is read through the world (``nngraph.frontend.world``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar
from weakref import ref

from nngraph.frontend.storage import Elements, Path, Storage
from nngraph.ir.op import Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType

__all__ = ["Edge", "Entry", "Handle", "Leaf", "Lost", "Saved", "View"]

_clock = count()


class Leaf:
    """The edge of a tensor that nothing recorded made: ``backward`` fills its ``grad``."""

    __slots__ = ("owner",)

    def __init__(self, owner: Handle) -> None:
        self.owner: ref[Handle] = ref(owner)


class Edge:
    """The edge of a recorded result: the tape entry that made it, and which output it is."""

    __slots__ = ("entry", "index")

    def __init__(self, entry: Entry, index: int) -> None:
        self.entry = entry
        self.index = index


class Saved:
    """One version of a tensor, as an entry keeps it: no tensor, so that no cycle forms.

    Attributes:
        storage: None once ``backward`` freed what was saved; type and edge stay.
    """

    __slots__ = ("edge", "elements", "path", "storage", "type", "version")

    def __init__(
        self, storage: Storage, elements: Elements, path: Path | None, edge: Edge | Leaf | None
    ) -> None:
        self.storage: Storage | None = storage
        self.elements: Elements | None = elements
        self.path = path
        self.edge = edge
        self.type: TensorType = storage.type if path is None else path.type
        self.version = elements.version

    @property
    def is_number(self) -> bool:
        """Whether it has no axes and no history, and no tensor shows it any more."""
        storage = self.storage
        if self.type.rank or self.edge is not None or storage is None:
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
    """

    __slots__ = ("inputs", "op", "origin", "outputs", "time")

    def __init__(
        self, op: Op, inputs: Sequence[Saved], outputs: Sequence[Saved], origin: Origin
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.time = next(_clock)
        self.origin = origin

    def release(self) -> None:
        """Frees what was saved; a rule that reads none of it can run again.

        Python's numbers, which are tensors for the operator only, stay: PyTorch has operators that
        take a number and save nothing (``add`` with ``alpha``, ``copy_``), and these have several.
        """
        for saved in self.inputs:
            if not saved.is_number:
                saved.release()
        for saved in self.outputs:
            saved.release()


class Lost(Entry):
    """Stands for the history of a tensor that a compiled call left at a place of Python's."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.time = next(_clock)

    @property
    def inputs(self) -> Sequence[Saved]:  # type: ignore[override]
        raise RuntimeError(
            f"backward through {self.name}, which holds a result of an earlier call of a compiled "
            f"function: the history of that call is gone. Write `{self.name} = h.detach()` for "
            "what is kept from call to call."
        )


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
    """

    __slots__ = ("__weakref__", "_edge", "_grad", "_seen", "_storage", "_view")
    _result: ClassVar[Any]  # the class of all results: Tensor
    _made_of: ClassVar[Any]  # makes a tensor of what users call the class with

    _storage: Storage
    _view: View | None
    _edge: Edge | Leaf | None

    def __init__(self, storage: Any = (), view: Any = None, edge: Any = None, *more: int) -> None:
        if storage.__class__ is not Storage:
            made = self._made_of([v for v in (storage, view, edge, *more) if v is not None])
            storage, view, edge = made._storage, made._view, made._edge
        storage.show(self)
        self._storage = storage
        self._view = view
        self._edge = edge
        self._seen: Edge | Leaf | None = None
        self._grad: Any = None

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
    def _path(self) -> Path | None:
        return None if self._view is None else self._view.path

    @property
    def type(self) -> TensorType:
        """Element type and shape as the graph has them."""
        view = self._view
        return self._storage.type if view is None else view.path.type

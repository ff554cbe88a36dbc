"""What a trace in progress makes of storages and tensors; the eager ones stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

from nngraph.frontend.capture.gradients import GradSlot
from nngraph.frontend.errors import ConcretizationError, Need, TraceError, leaked
from nngraph.frontend.record import Edge, GivenEdge, Handle, Leaf, LeafHooks
from nngraph.frontend.storage import Elements, Path, Rebound, Storage
from nngraph.frontend.userline import user_source
from nngraph.frontend.views import strides_of, viewable, write_through
from nngraph.frontend.world import EAGER
from nngraph.ir.dims import Dim
from nngraph.ir.graph import Graph, Value
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reshape

__all__ = ["Flag", "Overlay", "StateCell"]


@dataclass(eq=False)
class StateCell:
    """A state of the graph.

    Attributes:
        name: of the state.
        storage: what stands for it while tracing.
        lasting: where it is between calls.
    """

    name: str
    storage: Storage
    lasting: Storage | GradSlot

    @property
    def lasts(self) -> bool:
        """Whether the storage itself is there between calls."""
        return self.lasting is self.storage


@dataclass(frozen=True)
class Flag:
    """What a trace relies on about the edge of a tensor of before.

    Attributes:
        owner: the tensor.
        name: of its state.
        wanted: whether it requires a gradient; None if only its being a leaf counts.
        written: whether the code overwrites it, so that it may have a history.
    """

    owner: ref[Handle]
    name: str
    wanted: bool | None
    written: bool

    def holds(self) -> bool:
        """Whether it is still so (of a tensor that is gone, nobody asks)."""
        tensor = self.owner()
        if tensor is None:
            return True
        edge = tensor._edge
        if self.wanted is None:
            return not isinstance(edge, Edge)
        if self.written:
            return not isinstance(edge, Leaf)
        return (edge is not None) is self.wanted


class _Term:
    """A graph value as an operand, for rules that build operators."""

    __slots__ = ("_overlay", "value")

    def __init__(self, overlay: Overlay, value: Value) -> None:
        self._overlay = overlay
        self.value = value

    @property
    def aval(self) -> TensorType:
        return self.value.type

    def apply(self, op: Op, operands: Sequence[_Term]) -> tuple[_Term, ...]:
        overlay = self._overlay
        values = overlay.add(op, [o.value for o in operands])
        return tuple(_Term(overlay, v) for v in values)


class Overlay:
    """Storages and edges as the traced code left them so far.

    A storage that existed before is lifted when it is met: it becomes a state of the graph. From
    then on the overlay holds elements for it, whose graph values follow the writes. Storages of
    the trace itself hold such elements from the start.

    Attributes:
        graph: the graph so far.
        cells: the states, by what stands for them.
        rebound: the storages that ``t.data = other`` gives other elements, and these tensors.
        switched_off: ids of the tensors whose ``requires_grad`` the code set to False.
        hooked: leaves of before that got a gradient, and the hooks that ran.
    """

    level: Any = None  # a trace is no ``vmap``

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.cells: dict[Storage, StateCell] = {}
        self._now: dict[Storage, Elements] = {}
        self._twins: dict[Elements, Elements] = {}  # of elements that existed before
        self._lifted: dict[Elements, Storage] = {}  # what was met first of those that hold them
        self._shown: dict[Path, tuple[Value, Value]] = {}  # the whole, and the part of it
        self._edges: dict[int, tuple[Handle, Edge | Leaf | None, Edge | Leaf | None]] = {}
        self._asked: dict[int, Handle] = {}
        self._made_asked: dict[int, Handle] = {}
        self._leaves: dict[int, tuple[Handle, bool]] = {}
        self.switched_off = set[int]()
        self.hooked: dict[int, tuple[ref[Handle], object]] = {}
        self.rebound: dict[Storage, ref[Handle]] = {}
        self._showing: dict[Storage, set[int]] = {}  # what showed a storage when it was met
        self._arguments: dict[int, Handle] = {}
        self._suggested: dict[Storage, str] = {}
        self._homes: dict[Storage, GradSlot] = {}
        self._before: dict[Storage, Value] | None = None  # what writes of a run_if() replaced
        self._apart: dict[Storage, str] = {}  # and where they were written and not assigned
        self._names = UniqueNames(first=2)

    def argument(self, tensor: Handle) -> None:
        """Notes a tensor that stands for one of the caller's."""
        self._arguments[id(tensor)] = tensor

    def here(self) -> Origin:
        raise NotImplementedError

    def alike(self, storage: Storage, other: Storage) -> None:
        """Relies on both holding the same elements between calls."""
        raise NotImplementedError

    def refuse(self, what: str, instead: str) -> None:
        raise TraceError(f"{what} while tracing:\n    {user_source()}\n{instead}")

    def add(self, op: Op, operands: Sequence[Value]) -> tuple[Value, ...]:
        """Appends a node."""
        return self.graph.add_node(op, operands, self.here()).outputs

    # -- states ----------------------------------------------------------------------------
    def name(self, storage: Storage, name: str) -> None:
        self._suggested.setdefault(storage, name)

    def suggested(self, storage: Storage) -> str:
        """The name that a state of this storage gets (or one with a number after it)."""
        return self._suggested.get(storage, f"tensor_{len(self.cells)}")

    def _lift(self, storage: Storage) -> Elements:
        before = storage.elements
        twin = self._twins.get(before)
        if twin is not None:
            self.alike(storage, self._lifted[before])
        else:
            if before.array is None:
                raise leaked(storage, "this compiled function")
            self._lifted[before] = storage
            self._showing[storage] = set(map(id, storage.tensors()))
            name = self._names.fresh(self.suggested(storage))
            storage.watched = True
            twin = Elements(None, self.graph.add_state(name, storage.type), before.version)
            self.cells[storage] = StateCell(name, storage, self._homes.get(storage, storage))
            self._twins[before] = twin
        self._now[storage] = twin
        return twin

    def lives_at(self, storage: Storage, home: GradSlot, name: str) -> None:
        """A storage that stands for whatever is at ``home`` between calls, should it be met."""
        self._homes[storage] = home
        self.name(storage, name)

    def stand_in(self, name: str, home: GradSlot, kind: TensorType) -> Storage:
        """A storage for a state that lives at ``home`` between calls."""
        unique = self._names.fresh(name)
        storage = Storage(None, self.graph.add_state(unique, kind))
        self.cells[storage] = StateCell(unique, storage, home)
        return storage

    def knows(self, storage: Storage) -> bool:
        """True for a storage that the traced code met or made."""
        return storage in self._now or storage.elements.value is not None

    # -- storages --------------------------------------------------------------------------
    def elements(self, storage: Storage) -> Elements:
        found = self._now.get(storage)
        if found is not None:
            return found
        own = storage.elements
        if own.value is None:
            return self._lift(storage)
        if own.value.graph is not self.graph:
            raise leaked(storage, "this compiled function")
        return own

    def look(self, storage: Storage, path: Path | None) -> Value:
        whole = (self._now.get(storage) or storage.elements).value
        if whole is None or whole.graph is not self.graph:
            whole = self.elements(storage).value
        assert whole is not None, "elements of a trace have a value"
        return whole if path is None else self._part(path, whole)

    def recall(self, elements: Elements, path: Path | None) -> Value:
        return self._part(path, _value(elements))

    def standing(self, storage: Storage, elements: Elements) -> Elements:
        if elements.value is not None:
            if elements.value.graph is not self.graph:
                raise leaked(storage, "this compiled function")
            return elements
        if elements not in self._twins:
            here = storage.elements is elements
            self._lift(storage if here else Storage.over(elements, storage.type))
        return self._twins[elements]

    def _part(self, path: Path | None, whole: Value) -> Value:
        if path is None:
            return whole
        known = self._shown.get(path)
        if known is None or known[0] is not whole:
            under = self._part(path.under, whole)
            known = self._shown[path] = (whole, self.add(path.op, [under])[path.index])
        return known[1]

    def apart(self, tensor: Handle) -> None:
        self._apart[tensor._storage] = ""

    def assigned(self, tensor: Handle) -> None:
        if tensor._storage in self._apart:
            self._apart[tensor._storage] = ""

    def refuse_lost(self) -> None:
        """Refuses writes to copies that are views in PyTorch.

        Raises:
            TraceError: naming the line that writes.
        """
        for place in filter(None, self._apart.values()):
            raise TraceError(
                "x[k] is written in place, where k is a tensor that only each call knows:\n"
                f"    {place}\nx[k] is a copy here. Write x[k] = ... or x[k] += ..., which assign."
            )

    def write(self, storage: Storage, path: Path | None, payload: Value) -> None:
        elements = self.elements(storage)
        self._overwrites(storage, elements)
        if path is not None:
            payload = self._written_through(storage, path, payload)
        elements.value = payload
        if not storage.quiet:
            elements.version += 1

    def _overwrites(self, storage: Storage, elements: Elements) -> None:
        """Notes a write, of which these elements are the last before it."""
        if storage in self._apart:
            self._apart[storage] = str(user_source())
        if self._before is not None:
            self._before.setdefault(storage, _value(elements))

    def _written_through(self, storage: Storage, path: Path, part: Value) -> Value:
        def read(place: Path | None) -> _Term:
            return _Term(self, self.look(storage, place))

        whole: _Term = write_through(path, storage.type.shape, _Term(self, part), read)
        self._shown[path] = (whole.value, part)
        return whole.value

    def replace(self, storage: Storage, payload: Value) -> None:
        before = self.elements(storage)
        self._overwrites(storage, before)
        before.left = True
        now = self._now[storage] = Elements(None, payload, before.version + 1)
        for twin in storage.twins or ():
            if self._now.get(twin) is before:
                self._now[twin] = now

    def twin(self, storage: Storage) -> Storage:
        elements = self.elements(storage)
        made = storage.twin()
        self._now[made] = elements
        return made

    def rebind(self, tensor: Handle, value: Handle) -> None:
        storage, source = tensor._storage, value._storage
        if self._before is not None:
            self.refuse(
                "t.data = other in a step that a GradScaler may leave out",
                "Write t.copy_(other) under no_grad.",
            )
        if tensor._view is not None:
            self.refuse(
                "t.data = other gives a view t memory of its own",
                "Write t = other; or t.copy_(other) under no_grad, which the base shows, too.",
            )
        if tensor.aval != value.aval:
            self.refuse(
                f"t.data = other makes a {tensor.aval} a {value.aval}",
                "Assign elements of the same type, or assign outside.",
            )
        arguments = (a._storage for a in self._arguments.values())
        if source.elements.value is None or source in arguments:
            self.refuse(
                "t.data = other shares the memory of a tensor that stays after the call",
                "Write t.data = other.clone(), or t.copy_(other) under no_grad.",
            )
        before, payload = self.elements(storage), self.look(source, value._path)
        self._leave(tensor, before)
        now = self._now[storage] = Elements(None, payload, before.version + 1)
        before.rebound = Rebound(storage, before, now)
        if storage.elements.value is None:
            self.rebound[storage] = ref(tensor)

    def _leave(self, tensor: Handle, before: Elements) -> None:
        """What the code made to show the elements of a tensor keeps them."""
        storage = tensor._storage
        others = [t for t in storage.tensors() if t is not tensor]
        if not others:
            return
        if any(id(t) in self._showing.get(storage, ()) for t in others):
            self.refuse(
                "t.data = other while another tensor from outside shares the memory of t",
                "Write t.copy_(other) under no_grad, or clone() the other tensor first.",
            )
        views = [t for t in others if t._view is not None]
        edges = [self.edge(view._view.base) for view in views]
        self._now[storage.part(others, before)] = before
        for view, edge in zip(views, edges, strict=True):
            self.set_edge(view._view.base, edge)

    def strides(self, storage: Storage, path: Path | None) -> tuple[Dim, ...]:
        return strides_of(path, storage.type.shape)

    def paths(
        self, op: Op, storage: Storage, path: Path | None, parts: Sequence[Value]
    ) -> list[Path | None]:
        whole = _value(self.elements(storage))
        if isinstance(op, Reshape):
            shape = storage.type.shape if path is None else path.type.shape
            if viewable(shape, self.strides(storage, path), parts[0].type.shape) is None:
                return [None]
        made: list[Path | None] = []
        for index, part in enumerate(parts):
            link = Path(path, op, index, part.type)
            self._shown[link] = (whole, part)
            made.append(link)
        return made

    # -- values ----------------------------------------------------------------------------
    def array(self, storage: Storage, path: Path | None, need: Need) -> Array:
        if self.knows(storage):
            self.look(storage, None)  # it may be another trace's
        raise ConcretizationError(need, storage.type if path is None else path.type)

    lend = array

    def peek(self, storage: Storage, path: Path | None) -> Array | None:
        return None if self.knows(storage) else EAGER.peek(storage, path)

    # -- edges -----------------------------------------------------------------------------
    def edge(self, tensor: Handle) -> Edge | Leaf | None:
        known = self._edges.get(id(tensor))
        if known is not None:
            return known[1]
        edge = tensor._edge
        if tensor._storage.elements.value is None:
            self._asked[id(tensor)] = tensor
            tensor._storage.watched = True
            if isinstance(edge, GivenEdge):
                self.set_edge(tensor, edge := Leaf(tensor, is_made=True))
        return edge

    def is_made(self, tensor: Handle) -> bool:
        known = self._edges.get(id(tensor))
        if known is not None:
            return isinstance(known[1], Edge) or isinstance(tensor._edge, GivenEdge)
        self._made_asked[id(tensor)] = tensor
        tensor._storage.watched = True
        return isinstance(tensor._edge, Edge)

    def flags_met(self) -> list[Flag]:
        """The tensors of before of which the trace relies on what ``backward`` runs for them.

        What the code overwrites may have a history, as long as it is no leaf that requires a
        gradient: the trace would do the same, unless it gives it one itself.
        """
        flags = [
            Flag(
                ref(t),
                self._suggested.get(t._storage, ""),
                t._edge is not None,
                t._edge is None and self._is_written(t._storage) and not self._is_joined(t),
            )
            for t in self._asked.values()
            if t.aval.dtype.is_floating_point and t._view is None
        ]
        return flags + [
            Flag(ref(t), self._suggested.get(t._storage, ""), None, False)
            for key, t in self._made_asked.items()
            if key not in self._asked and t._storage.elements.value is None
        ]

    def _is_joined(self, tensor: Handle) -> bool:
        """Whether the code gave a tensor a history."""
        return isinstance(self._edges.get(id(tensor), (tensor, None))[1], Edge)

    def _is_written(self, storage: Storage) -> bool:
        held = self._now.get(storage)
        return held is not None and held.version != storage.version

    def seen(self, tensor: Handle) -> Edge | Leaf | None:
        known = self._edges.get(id(tensor))
        return tensor._seen if known is None else known[2]

    def set_edge(
        self, tensor: Handle, edge: Edge | Leaf | None, seen: Edge | Leaf | None = None
    ) -> None:
        self._edges[id(tensor)] = (tensor, edge, seen)

    def forget(self, tensor: Handle) -> None:
        self._leaves[id(tensor)] = (tensor, False)
        self.set_edge(tensor, None)

    def set_leaf(self, tensor: Handle, requires_grad: bool) -> None:
        self._leaves[id(tensor)] = (tensor, requires_grad)
        if not requires_grad:
            self.switched_off.add(id(tensor))
        known = self._edges.get(id(tensor))
        edge = tensor._edge if known is None else known[1]  # the trace need not rely on it
        if requires_grad != (edge is not None):
            edge = Leaf(tensor) if requires_grad else None
        self.set_edge(tensor, edge)

    def leaves_set(self) -> list[tuple[Handle, bool]]:
        """The tensors of before that the code made leaves, and whether they require a gradient."""
        found = self._leaves.values()
        return [(t, now) for t, now in found if t._storage.elements.value is None]

    def leaves_of_arguments(self) -> list[tuple[Handle, bool]]:
        """The arguments that the code made leaves, and whether they require a gradient."""
        found = self._leaves.items()
        return [pair for key, pair in found if key in self._arguments]

    def hooks(self, tensor: Handle) -> LeafHooks | None:
        found = tensor._hooks
        if tensor._storage.elements.value is None:
            tensor._storage.watched = True
            self.hooked[id(tensor)] = (ref(tensor), tensor._hooks_listed)
        return found

    def hooks_hold(self) -> Callable[[], bool]:
        """Whether leaves have the hooks that they had (of those that are gone, nobody asks)."""
        found = list(self.hooked.values())
        return lambda: all((t := r()) is None or t._hooks_listed == was for r, was in found)

    def new_hooks(self, tensor: Handle) -> LeafHooks:
        storage = tensor._storage
        before = storage.elements.value is None
        if id(tensor) in self._arguments or (
            before and id(tensor) in self._showing.get(storage, {id(tensor)})
        ):
            self.refuse(
                "a hook is registered on a leaf from outside, one more in each call",
                "Register it once, outside of the compiled function, or on a result: x * 1.",
            )
        return EAGER.new_hooks(tensor)

    def become(self, tensor: Handle, other: Handle) -> None:
        if id(tensor) in self._arguments or tensor._storage.elements.value is None:
            fix = "Write x = x.t(), x = x.squeeze(), ... instead."
            self.refuse("the shape of a tensor from outside is changed in place", fix)
        if other is tensor:
            return
        edge, seen, view = self.edge(other), self.seen(other), other._view
        if view is not None and view.base is tensor:
            view.base = type(other)(tensor._storage, tensor._view)
            self.set_edge(view.base, self.edge(tensor), self.seen(tensor))
        tensor._storage, tensor._view = other._storage, view
        tensor._storage.show(tensor)
        self.set_edge(tensor, edge, seen)

    def hold(self, payload: Any) -> Storage:
        return Storage(None, payload)

    copied = hold


def _value(elements: Elements) -> Value:
    assert elements.value is not None, "elements of a trace have a value"
    return elements.value

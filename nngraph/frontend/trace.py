"""Runs Python code once and writes down the graph of what it computes and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from nngraph.frontend.modes import active_trace, current_trace
from nngraph.frontend.userline import user_line, user_source
from nngraph.frontend.variable import Storage, Variable, no_elements
from nngraph.ir.dtypes import DType, float64
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType, TypeMismatch

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = [
    "ConcretizationError",
    "Guard",
    "StateCell",
    "Trace",
    "TraceError",
    "leaked",
    "trace_paused",
]


class ModuleLike(Protocol):
    """What tracing asks of a module."""

    def named_modules(self) -> Iterable[tuple[str, Any]]: ...
    def named_parameters(self) -> Iterable[tuple[str, Any]]: ...
    def named_buffers(self) -> Iterable[tuple[str, Any]]: ...
    def _fingerprint(self) -> object:
        """Equal as long as a trace of the module's forward is valid."""
        ...


class TraceError(RuntimeError):
    """Code that cannot be traced; the text shows the user's line and what to write."""


class ConcretizationError(TraceError):
    """Traced code asked for a value that exists only when the compiled function runs."""

    def __init__(self, what: str, kind: TensorType) -> None:
        super().__init__(
            f"{what} needs the value of a tensor ({kind}), but this code is being traced: values "
            f"exist only when the compiled function runs.\n"
            f"    {user_source()}\n"
            "Instead of `if x > 0: y = a` write `y = ng.where(x > 0, a, b)`; return the tensor and "
            "look at it outside the compiled function; or run without ng.compile."
        )


@dataclass(frozen=True)
class Guard:
    """A fact that the trace relied on; the function is traced again where it fails."""

    check: Callable[[], bool]
    reason: str


@dataclass(eq=False)
class StateCell:
    """A storage that was met while tracing, with its place in the graph's states.

    Attributes:
        storage: what stands for the state while tracing.
        home: where the state is between calls, if not there.
    """

    storage: Storage
    name: str
    array_was: Any
    version_was: int
    home: GradSlot | None = None

    @property
    def lasting(self) -> Storage | GradSlot:
        """Where the state is between calls."""
        return self.home or self.storage


class GradSlot:
    """The storage of whatever gradient a tensor has at the time.

    A gradient that was taken out of its place may still be somebody's. It gets its own array then,
    since the backend goes on writing to the one that it had.
    """

    __slots__ = ("_written", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self._written: ref[Storage] | None = None

    @property
    def _storage(self) -> Storage:
        gradient = self.tensor._grad
        assert gradient is not None, "a guard traces again where the gradient is None"
        return gradient._variable.storage

    @property
    def type(self) -> TensorType:
        return self._storage.type

    @property
    def array(self) -> Any:
        storage = self._storage
        before = self._written() if self._written is not None else None
        if before is not None and before is not storage and before.array is not None:
            before.array = before.array.copy()
            self._written = None
        return storage.array

    @array.setter
    def array(self, array: Any) -> None:
        self._storage.array = array
        self._written = ref(self._storage)

    @property
    def version(self) -> int:
        return self._storage.version

    @version.setter
    def version(self, version: int) -> None:
        self._storage.version = version


@dataclass(eq=False)
class _GradNote:
    tensor: Tensor
    original: Tensor | None
    was_read: bool
    seen: Tensor | None = None  # what the code finds in place of the original


@dataclass(eq=False)
class Trace:
    """One tracing run.

    Attributes:
        graph: the graph so far.
        cells: states met, by identity of their storage.
        guards: what must hold for the graph to be valid.
        readers: functions that read the host scalars, in the graph's order.
        module_path: paths of the modules whose forward is running, innermost last.
        forced_origin: origin of nodes made by gradient rules.
    """

    graph: Graph
    cells: dict[int, StateCell] = field(default_factory=dict)
    guards: dict[object, Guard] = field(default_factory=dict)
    readers: list[Callable[[], float]] = field(default_factory=list)
    module_path: list[str] = field(default_factory=list)
    forced_origin: Origin | None = None
    transform: str = ""
    consumed: set[int] = field(default_factory=set)
    undo: list[Callable[[], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _scalars: dict[object, Variable] = field(default_factory=dict)
    _grads: dict[int, _GradNote] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _paths: dict[int, str] = field(default_factory=dict)

    # -- nodes -----------------------------------------------------------------------------
    def origin(self) -> Origin:
        """Where the node that is being made comes from."""
        if self.forced_origin is not None:
            return self.forced_origin
        file, line = user_line()
        path = self.module_path[-1] if self.module_path else ""
        return Origin(path, file, line, (self.transform,) if self.transform else ())

    def add(self, op: Op, operands: Sequence[Value], origin: Origin) -> tuple[Value, ...]:
        """Appends a node."""
        return self.graph.add_node(op, operands, origin).outputs

    # -- state -----------------------------------------------------------------------------
    def read(self, storage: Storage) -> Value:
        """The graph value of a storage; a storage met for the first time becomes a state."""
        value = storage.value
        if value is not None:
            if value.graph is self.graph:
                return value
            raise leaked(storage.type)
        if storage.array is None:
            raise no_elements(storage)
        return self._lift(storage)

    def _lift(self, storage: Storage) -> Value:
        name = self._unique(self._names.get(id(storage), f"tensor_{len(self.cells)}"))
        value = self.graph.add_state(name, storage.type)
        self.cells[id(storage)] = StateCell(storage, name, storage.array, storage.version)
        storage.value = value
        return value

    def _unique(self, name: str) -> str:
        candidate, count = name, 2
        while candidate in self._taken:
            candidate, count = f"{name}_{count}", count + 1
        self._taken.add(candidate)
        return candidate

    def write(self, storage: Storage, value: Value) -> None:
        """Makes ``value`` what the storage holds from here on."""
        self.read(storage)
        storage.value = value
        storage.version += 1

    def name(self, storage: Storage, name: str) -> None:
        """Suggests a name for a storage's state; the first suggestion wins."""
        self._names.setdefault(id(storage), name)
        self._kept.append(storage)

    # -- numbers, guards, gradients ----------------------------------------------------------
    def scalar(
        self, key: object, name: str, read: Callable[[], float], dtype: DType = float64
    ) -> Variable:
        """A host number that each call reads anew."""
        if key not in self._scalars:
            taken, unique, count = self.graph.scalars, name, 2
            while unique in taken:
                unique, count = f"{name}_{count}", count + 1
            value = self.graph.add_scalar(unique, TensorType(dtype, ()))
            self.readers.append(read)
            self._scalars[key] = Variable(Storage(None, value))
        return self._scalars[key]

    def guard(self, key: object, check: Callable[[], bool], reason: str) -> None:
        """Notes a fact that the traced code relied on."""
        self.guards.setdefault(key, Guard(check, reason))

    def note_grad(self, tensor: Tensor, read: bool) -> None:
        """Called before the code first reads or sets ``tensor.grad``."""
        if id(tensor) in self._grads:
            return
        original = tensor._grad
        note = self._grads[id(tensor)] = _GradNote(tensor, original, read, original)
        if read and original is not None and self._by_place(original):
            tensor._grad = note.seen = self._slot(tensor, original)
        elif read and original is None:
            self.guard(
                ("grad", id(tensor)),
                lambda: tensor._grad is None,
                "a gradient that was None is there now",
            )
        elif read:
            self.guard(
                ("grad", id(tensor)),
                lambda: tensor._grad is original,
                "a gradient is another tensor now",
            )

    def _by_place(self, gradient: Tensor) -> bool:
        """True for a gradient without history that the code did not meet as a tensor before."""
        variable = gradient._variable
        return variable.entry is None and id(variable.storage) not in self.cells

    def _slot(self, tensor: Tensor, gradient: Tensor) -> Tensor:
        """What stands for ``tensor.grad``: state by its place and not by identity.

        Other code - ``zero_grad``, an accumulating function - puts other tensors there between
        calls; that is no reason to trace again.
        """
        from nngraph.frontend.tensor import Tensor as made

        kind, wanted = gradient.type, gradient.requires_grad

        def fits() -> bool:
            now = tensor._grad
            return (
                now is not None
                and now.type == kind
                and now.requires_grad == wanted
                and now._variable.entry is None
            )

        owner = self._names.get(id(tensor._variable.storage), f"tensor_{len(self.cells)}")
        name = self._unique(f"{owner}.grad")
        storage = Storage(None, self.graph.add_state(name, kind))
        self.cells[id(storage)] = StateCell(storage, name, None, 0, GradSlot(tensor))
        self.guard(("grad", id(tensor)), fits, "a gradient is None or of another type now")
        return made(Variable(storage, wanted))

    # -- the end ---------------------------------------------------------------------------
    def grad_effects(self, keep: bool) -> list[tuple[Tensor, Tensor | None]]:
        """What the code left in ``grad`` attributes: (tensor, its new gradient).

        A gradient that an optimizer of this trace consumed, and that the code does not read before
        it sets it, is dropped unless ``keep``: nothing but a look from outside could see it.
        """
        effects: list[tuple[Tensor, Tensor | None]] = []
        for note in self._grads.values():
            final = note.tensor._grad
            if final is note.seen:
                continue
            dead = id(note.tensor) in self.consumed and not note.was_read and not keep
            effects.append((note.tensor, None if dead else final))
        return effects

    def restore(self) -> None:
        """Puts back what tracing touched: tensors and gradients are as they were."""
        for put_back in reversed(self.after):
            put_back()
        for cell in self.cells.values():
            cell.storage.value = None
            cell.storage.version = cell.version_was
        for note in self._grads.values():
            note.tensor._grad = note.original

    def roll_back(self) -> None:
        """After a failed trace: also undoes eager side effects (new optimizer state)."""
        self.restore()
        for undo in reversed(self.undo):
            undo()

    @contextmanager
    def active(self) -> Iterator[None]:
        token = current_trace.set(self)
        try:
            yield
        finally:
            current_trace.reset(token)

    @contextmanager
    def module(self, module: ModuleLike) -> Iterator[None]:
        """The forward of ``module`` runs inside: names its state and guards what it is.

        The outermost module gives names (``0.weight``) and paths (``layer1.0.conv1``).
        """
        if not self.module_path:
            for path, child in module.named_modules():
                self._paths.setdefault(id(child), path)
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                self.name(tensor._variable.storage, name)
        self._kept.append(module)
        fingerprint = module._fingerprint()
        path = self._paths.get(id(module), "")
        self.guard(
            ("module", id(module)),
            lambda: module._fingerprint() == fingerprint,
            f"module {path or type(module).__name__!r} changed: train()/eval() or a parameter",
        )
        self.module_path.append(path)
        try:
            yield
        except Exception as error:
            _note_place(error, path, module)
            raise
        finally:
            self.module_path.pop()

    @contextmanager
    def scope(self, path: str = "", transform: str = "") -> Iterator[None]:
        """Nodes made inside carry this module path or transform."""
        before = self.transform
        if path:
            self.module_path.append(path)
        self.transform = transform or before
        try:
            yield
        finally:
            self.transform = before
            if path:
                self.module_path.pop()


@contextmanager
def trace_paused() -> Iterator[None]:
    """Code inside runs eagerly also while a trace is on (making new optimizer state, say)."""
    token = current_trace.set(None)
    try:
        yield
    finally:
        current_trace.reset(token)


def _note_place(error: Exception, path: str, module: object) -> None:
    """Adds the innermost module and the user's line, where the text does not have them."""
    if isinstance(error, TypeMismatch) or any("in module" in n for n in _notes(error)):
        return
    name = f"{path!r} ({type(module).__name__})" if path else type(module).__name__
    error.add_note(f"in module {name}, called at {user_source()}")


def _notes(error: Exception) -> list[str]:
    return getattr(error, "__notes__", [])


def leaked(kind: TensorType) -> TraceError:
    """The error for a traced tensor that is used outside its trace."""
    where = "this compiled function" if active_trace() is not None else "eager code"
    return TraceError(
        f"a tensor ({kind}) that was made while another function was traced is used in {where}:\n"
        f"    {user_source()}\n"
        "Traced tensors leave a compiled function only by `return` or by assignment in place to a "
        "tensor that existed before (a parameter or buffer)."
    )

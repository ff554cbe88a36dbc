"""The world of a trace: writes down the graph of what Python code computes and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from nngraph.frontend.capture.boxes import ABSENT
from nngraph.frontend.capture.called import CalledModule, called_with
from nngraph.frontend.capture.carry import Carry
from nngraph.frontend.capture.effects import FirstCall
from nngraph.frontend.capture.gradients import GradNote, GradSlot, NewGradSlot
from nngraph.frontend.capture.overlay import Overlay
from nngraph.frontend.capture.refusals import history_is_gone
from nngraph.frontend.capture.selections import Selections
from nngraph.frontend.errors import TOO_DEEP, NotYet, TraceError, note_place
from nngraph.frontend.functional.selection import where
from nngraph.frontend.protocols import Compiled, ModuleLike, Recording, Typed
from nngraph.frontend.record import GivenEdge, Handle, Leaf
from nngraph.frontend.storage import Payload, Storage
from nngraph.frontend.symint import with_dims
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import user_line, user_source
from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import DType, float64
from nngraph.ir.graph import Graph, Value
from nngraph.ir.literal import Literal
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.ops.creation import Constant
from nngraph.ops.elementwise import cast
from nngraph.passes.selected import is_selected

__all__ = ["NOTHING", "Assumed", "Guard", "Put", "Trace", "put_again", "take_back"]


@dataclass(frozen=True)
class Guard:
    """A fact that the trace relied on; the function is traced again where it fails.

    Attributes:
        check: whether it still holds.
        reason: what to say if it does not.
        what: the fact, for ``explain``; if empty, the reason says it.
        covered: whether ``structure`` tells when it may have changed. (All that users can reach
            in objects of their own has to be looked at before each call.)
    """

    check: Callable[[], bool]
    reason: str | Callable[[], str]
    covered: bool = False
    what: str = ""

    @property
    def name(self) -> str:
        """The fact in words."""
        return self.what or self.why

    @property
    def why(self) -> str:
        """The reason in words, when the check has failed."""
        return self.reason if isinstance(self.reason, str) else self.reason()


@dataclass(eq=False)
class Mode:
    """``training`` of a module in a trace.

    Attributes:
        module: whose it is.
        found: what the code found, None if it set it before it asked.
        now: what it is for the code.
        was_set: whether the code set it.
    """

    module: ModuleLike
    found: bool | None
    now: bool
    was_set: bool

    def holds(self) -> bool:
        """Whether a call finds what the trace found."""
        return self.found is None or self.module.__dict__["training"] is self.found


@dataclass(frozen=True)
class Assumed:
    """What a trace takes for given, whatever is there.

    Attributes:
        growing: ids of tensors without gradients that have one of zeros.
        modes: ``training`` of modules, by id.
        numbers_in_graph: whether Python's numbers that the code changes are states of the graph.
        steps: of a table of a function that no graph computes.
    """

    growing: frozenset[int] = frozenset()
    modes: Mapping[int, bool] = field(default_factory=dict)
    numbers_in_graph: bool = False
    steps: int | None = None


NOTHING = Assumed()


#: A table, a key, what was put there and what was there before.
Put = tuple[dict[Any, Any], Any, Any, Any]


def put_again(puts: Sequence[Put]) -> bool:
    """Puts things where a trace had put them; False, and nothing, where others are there now."""
    done: list[Put] = []
    for put in puts:
        table, key, value, before = put
        there = table.get(key, ABSENT)
        if there is value:
            continue
        if there is not before:
            take_back(done)
            return False
        table[key] = value
        done.append(put)
    return True


def take_back(puts: Sequence[Put]) -> None:
    """Undoes ``put_again``; what was put into a table that goes as a whole stays in it."""
    going = {id(value) for _, _, value, before in puts if before is ABSENT}
    for table, key, _, before in reversed(puts):
        if id(table) in going:
            continue
        if before is ABSENT:
            table.pop(key, None)
        else:
            table[key] = before


class Trace(Overlay):
    """One tracing run; see ``World``, which says what each member means.

    Attributes:
        guards: what must hold for the graph to be valid.
        readers: functions that read the host scalars, in the graph's order.
        grads: the ``grad`` attributes that the code read or set.
        consumed: ids of the tensors whose gradients an optimizer used.
        looked: the tensors whose gradients the code asked for.
        modes: of the modules, as far as the code asked or set them.
        modules_met: the modules that ran.
        called: those of them that no other one called.
        carry: what the trace knows about Python's own state.
        puts: what the code put into objects for all calls: new optimizer state.
        first: what the code does only in this call.

    Args:
        graph: an empty one.
        assumed: what it need not look at.
    """

    carry: Carry

    def __init__(self, graph: Graph, assumed: Assumed = NOTHING) -> None:
        super().__init__(graph)
        self._assumed = assumed
        self.guards: dict[object, Guard] = {}
        self.readers: list[Callable[[], float]] = []
        self.grads: dict[int, GradNote] = {}
        self.consumed: set[int] = set()
        self.looked: dict[int, Handle] = {}
        self._module_path: list[str] = []
        self._paths: dict[int, str] = {}
        self._forced: Origin | None = None
        self._transform = ""
        self._scalar_names = UniqueNames(first=2)
        self._selections = Selections()
        self._notes: dict[int, dict[Any, Any]] = {}
        self.puts: list[Put] = []
        self.first = FirstCall()
        self._kept: list[object] = []  # what is known by its id
        self.modes: dict[int, Mode] = {}
        self.modules_met: dict[int, ModuleLike] = {}
        self.called: dict[int, CalledModule] = {}

    # -- operators -------------------------------------------------------------------------
    def here(self) -> Origin:
        if self._forced is not None:
            return self._forced
        file, line = user_line()
        path = self._module_path[-1] if self._module_path else ""
        return Origin(path, file, line, (self._transform,) if self._transform else ())

    def run(
        self, op: Op, operands: Sequence[Typed], payloads: Sequence[Payload]
    ) -> Sequence[Payload]:
        try:
            return self.graph.add_node(with_dims(op), payloads, self.here()).outputs
        except TypeMismatch as error:
            if not any(is_selected(d) for o in operands for d in o.aval.shape):
                raise
            raise TypeMismatch(
                f"{error} (a size selected_by_mask_n is how many elements a mask selects, which "
                "only the call knows; each mask has its own)"
            ) from None

    def constant(self, array: Array) -> Storage:
        return self.hold(self.add(Constant(Literal(array)), ())[0])

    def origin_of(self, payloads: Sequence[Value]) -> Origin:
        producer = payloads[0].producer
        assert producer is not None, "a node made it"
        return producer.origin

    def selection(self, mask: Any) -> SymDim | None:
        return self._selections.size(mask._read(self))

    def place(self) -> str:
        module = self.here().module
        return (f"\n    in {module}" if module else "") + f"\n    {user_source()}"

    # -- numbers and facts -------------------------------------------------------------------
    def number(self, table: dict[str, Any], key: str, index: int | None, name: str) -> Any:
        return self.carry.number(table, key, index, name)

    def add_scalar(self, name: str, dtype: DType, read: Callable[[], float]) -> Any:
        """A tensor without axes whose element each call reads."""
        value = self.graph.add_scalar(self._scalar_names.fresh(name), TensorType(dtype, ()))
        self.readers.append(read)
        return Handle._result(self.hold(value))

    def act(
        self, owner: object, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        return self.carry.act(owner, action, args, kwargs)

    def run_if(self, condition: Any, function: Callable[[], Any], uncounted: frozenset[str]) -> Any:
        if self._before is not None:
            raise TraceError(f"a step in a step that may be left out{self.place()}")
        changed = self._changed(uncounted)
        counts = {owner: dict(notes) for owner, notes in self._notes.items()}
        self._before = {}
        try:
            result = function()
        finally:
            before, self._before = self._before, None
        now = self._changed(uncounted).items()
        more = ", ".join(name for name, made in now if made != changed.get(name))
        if more or result is not None:
            raise TraceError(
                f"a step that a GradScaler may leave out changes {more or 'its result'}: compiled, "
                f"that would change at each call.{self.place()}\nKeep it in a tensor that exists "
                "before (`state['step'].add_(1)`)."
            )
        for storage, old in before.items():
            new, was = (Tensor(self.hold(v)) for v in (self.look(storage, None), old))
            self.write(storage, None, where(condition, new, was)._read(self))
        for owner, notes in self._notes.items():  # how often is known to the call only
            known = counts.get(owner, {})
            notes.update({key: None for key, value in notes.items() if known.get(key) != value})
        return None

    def _changed(self, uncounted: frozenset[str]) -> dict[str, int]:
        """What the code has changed so far of Python's own state and of gradients."""
        changes = [c for c in self.carry.changes() if c.place.key not in uncounted]
        gradients = ((i, id(note.now)) for i, note in self.grads.items() if note.is_changed)
        return {c.place.name: id(c.after) for c in changes} | {"a gradient": hash(tuple(gradients))}

    def count(self, tensor: Any) -> Any:
        return cast(tensor, float64)

    def guard(
        self,
        key: object,
        check: Callable[[], bool],
        reason: str | Callable[[], str],
        covered: bool = False,
        what: str = "",
    ) -> None:
        self.guards.setdefault(key, Guard(check, reason, covered, what))

    def alike(self, storage: Storage, other: Storage) -> None:
        one, two = ref(storage), ref(other)

        def same() -> bool:
            a, b = one(), two()
            return a is None or b is None or a.elements is b.elements

        storage.watched = other.watched = True
        self.guard(("alike", id(storage)), same, "the data of a tensor is other memory now", True)

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self.puts.append((table, key, value, table.get(key, ABSENT)))
        table[key] = value

    def tables_put(self) -> list[Put]:
        """The tables among what the code put somewhere for all calls."""
        return [put for put in self.puts if isinstance(put[2], dict) and put[3] is ABSENT]

    def shared_tables(self) -> list[Put]:
        """Those tables, if the code keeps something in them that differs from call to call."""
        once = {(id(table), key) for table, key, _, _ in self.puts}
        tables = self.tables_put()
        return tables if any((id(t), k) not in once for _, _, t, _ in tables for k in t) else []

    def before(self, action: Callable[[], None]) -> None:
        raise NotYet(action)

    def once(self, what: str) -> None:
        if self._before is not None:
            raise TraceError(
                f"{what}, and a GradScaler may leave out the first step: call the function once "
                f"without compiling it.{self.place()}"
            )
        self.first.only.append(what)
        reason = f"the first call is over: {what}"
        self.guard(("first", id(self)), lambda: not self.first.is_over, reason)

    def was_put(self, table: object, key: Any) -> bool:
        """Whether what is there was made once, for all calls."""
        return any(t is table and k is key for t, k, _, _ in self.puts)

    def set_attribute(self, changes: dict[str, Any], name: str, value: Any) -> None:
        """The trace that is being made goes on with the value: nothing to note."""

    # -- modules -----------------------------------------------------------------------------
    def training(self, module: ModuleLike) -> bool:
        mode = self.modes.get(id(module))
        if mode is None:
            found = self._assumed.modes.get(id(module), module.__dict__["training"])
            mode = self.modes[id(module)] = Mode(module, found, found, False)
        return mode.now

    def set_training(self, module: ModuleLike, mode: bool) -> None:
        known = self.modes.get(id(module))
        if known is None:
            self.modes[id(module)] = Mode(module, None, mode, True)
        else:
            known.now, known.was_set = mode, True

    def path_of(self, module: ModuleLike) -> str:
        """The module by its path, or else by its class, for messages."""
        return self._paths.get(id(module), "") or type(module).__name__

    def notes(self, owner: object) -> dict[Any, Any]:
        self._kept.append(owner)
        return self._notes.setdefault(id(owner), {})

    def describe(self, describer: Callable[[Recording], None]) -> None:
        describer(self)

    def state_name(self, storage: Storage) -> str | None:
        """The name of the state that a storage is, None if the code has not met it."""
        cell = self.cells.get(storage)
        return cell.name if cell is not None else None

    def consume(self, tensor: Handle) -> None:
        """An optimizer used the gradient of ``tensor``."""
        self._kept.append(tensor)
        self.consumed.add(id(tensor))

    def take_back(self) -> None:
        """After the trace: undoes ``put``. The first call that succeeds does it again."""
        take_back(self.puts)

    # -- gradients ---------------------------------------------------------------------------
    def grad(self, tensor: Handle) -> Any:
        note = self.grads.get(id(tensor))
        if note is None:
            found = self._found(tensor) if tensor._storage.elements.value is None else tensor._grad
            note = self.grads[id(tensor)] = GradNote(tensor, found, found, True)
        return note.now

    def looked_at_grad(self, tensor: Handle) -> None:
        self._kept.append(tensor)
        self.looked[id(tensor)] = tensor
        note = self.grads[id(tensor)]
        note.was_used |= note.was_read and note.now is note.found

    def has_gradient(self, tensor: Handle, gradient: Handle) -> None:
        """What a tensor that stands for an argument has as its gradient when a call begins."""
        self.grads[id(tensor)] = GradNote(tensor, gradient, gradient, True)

    def set_grad(self, tensor: Handle, gradient: Any) -> None:
        if self._has_earlier_history(tensor):
            raise RuntimeError(history_is_gone(self._place_of(tensor)))
        note = self.grads.get(id(tensor))
        if note is None:
            self.grads[id(tensor)] = GradNote(tensor, gradient, None, False)
        else:
            note.now = gradient

    def _has_earlier_history(self, tensor: Handle) -> bool:
        """Whether a tensor from outside stands for what an earlier call made."""
        found, now = tensor._edge, self._edges.get(id(tensor), (tensor, None))[1]
        if isinstance(now, Leaf) and not now.is_made:  # the code made it a leaf
            return False
        made = isinstance(found, Leaf) and found.is_made and id(tensor) not in self._arguments
        return made or isinstance(found, GivenEdge)

    def _place_of(self, tensor: Handle) -> str:
        """Where a tensor is, for messages."""
        carry = self.carry
        found = carry.is_symbol_for(tensor)
        if found is not None:
            return found.name
        rows = ((b, carry.real(i)) for i, b in enumerate(carry.reach.boxes))
        names = (b.name_of(k) for b, content in rows for k, v in content.items() if v is tensor)
        return next(names, self.suggested(tensor._storage))

    def written_tensors(self) -> list[Handle]:
        """The tensors of before to which the code assigned something that has a history."""
        given = [t for t, _, _ in self._edges.values() if t._view is None and self._is_joined(t)]
        cells = self.cells
        return [t for t in given if t._storage in cells and cells[t._storage].lasts]

    def _found(self, tensor: Handle) -> Any:
        """What the code finds in ``tensor.grad``; a guard holds it to that."""
        gradient, key, owner = tensor._grad, ("grad", id(tensor)), ref(tensor)

        def now() -> Any:  # nobody sees the gradient of a tensor that is gone
            there = owner()
            return gradient if there is None else there._grad

        tensor._storage.watched = True
        name = f"the gradient of {self.suggested(tensor._storage)!r}"
        if gradient is None and id(tensor) in self._assumed.growing:
            new = NewGradSlot(tensor)
            return Handle._result(
                self.stand_in(f"{self.suggested(tensor._storage)}.grad", new, new.type)
            )
        if gradient is None:
            reason = f"{name} was None, and is there now"
            self.guard(key, lambda: now() is None, reason, True, f"{name} is None")
            return None
        slot, kind, wanted = GradSlot(tensor), gradient.aval, gradient._edge is not None
        if not slot.fits(kind, wanted) or self.knows(gradient._storage):
            self.guard(key, lambda: now() is gradient, f"{name} is another tensor now", what=name)
            return gradient
        # State by its place and not by identity: other code - ``zero_grad``, an accumulating
        # function - puts other tensors there between calls, which is no reason to trace again.
        reason = f"{name} is None or of another type now"
        self.guard(key, lambda: slot.fits(kind, wanted), reason, True, f"{name} is there")
        made: Handle = Handle._result(
            self.stand_in(f"{self.suggested(tensor._storage)}.grad", slot, kind)
        )
        made._edge = Leaf(made) if wanted else None
        return made

    # -- scopes ------------------------------------------------------------------------------
    def forward(self, module: ModuleLike, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outermost module gives names (``0.weight``) and paths (``layer1.0.conv1``)."""
        if not self._module_path:
            if id(module) not in self.called:
                self.called[id(module)] = called_with(module, args, kwargs)
            for path, child in module.named_modules():
                self._paths.setdefault(id(child), path)
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                self.name(tensor._storage, name)
        self.modules_met[id(module)] = module
        path = self._paths.get(id(module), "")
        self._module_path.append(path)
        try:
            return module._entry()(*args, **kwargs)
        except RecursionError as error:
            error.args = (TOO_DEEP,)
            raise
        except Exception as error:
            note_place(error, path, module)
            raise
        finally:
            self._module_path.pop()

    def call(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return compiled.function(*args, **kwargs)

    @contextmanager
    def scope(self, path: str = "", transform: str = "") -> Iterator[None]:
        before = self._transform
        if path:
            self._module_path.append(path)
        self._transform = transform or before
        try:
            yield
        finally:
            self._transform = before
            if path:
                self._module_path.pop()

    def differentiate(self, origin: Origin | None) -> None:
        self._forced = None if origin is None else origin.through("grad")

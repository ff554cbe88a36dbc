"""The world of eager code: operators run at once, in NumPy, and changes are made at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from nngraph.frontend.anomaly import anomaly
from nngraph.frontend.errors import TOO_DEEP, Need, leaked
from nngraph.frontend.protocols import Compiled, ModuleLike, Recording, Typed
from nngraph.frontend.record import Edge, Handle, Leaf, LeafHooks
from nngraph.frontend.storage import Elements, Path, Payload, Storage
from nngraph.frontend.structure import structure
from nngraph.frontend.userline import user_line
from nngraph.frontend.views import VIEWS, strides_of
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.types import type_of_array

__all__ = ["Eager"]

_NOTHING: AbstractContextManager[Any] = nullcontext()


_IN_PLACE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a "
    "clone() to get a normal tensor before doing inplace update."
)
_WANTS_GRAD = (
    "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed. Make a "
    "clone() of it."
)


class Eager:
    """See ``World``, which says what each member means."""

    level: Any = None

    # -- operators -------------------------------------------------------------------------
    def run(
        self, op: Op, operands: Sequence[Typed], payloads: Sequence[Payload]
    ) -> Sequence[Payload]:
        op.infer(*[o.aval for o in operands])  # the checks; eval assumes them
        with np.errstate(all="ignore"):  # NaN and infinity are results like others
            arrays = op.eval(*payloads)
        if isinstance(op, VIEWS):
            return arrays
        return [_fresh(a, payloads) for a in arrays]

    def paths(
        self, op: Op, storage: Storage, path: Path | None, parts: Sequence[Payload]
    ) -> list[Path | None]:
        whole = self.look(storage, path)
        return [
            _path(path, op, index, storage, part)
            if np.may_share_memory(whole, part) or not part.size
            else None
            for index, part in enumerate(parts)
        ]

    def constant(self, array: Array) -> Storage:
        return Storage(array)

    def hold(self, payload: Payload) -> Storage:
        return Storage(payload)

    def copied(self, payload: Payload) -> Storage:
        return Storage(np.array(payload, order="C"))

    def origin_of(self, payloads: Sequence[Payload]) -> Origin:
        return self.here()

    def here(self) -> Origin:
        return Origin("", *user_line()) if anomaly.is_on else NOWHERE

    def refuse(self, what: str, instead: str) -> None:
        pass

    def place(self) -> str:
        return ""

    # -- storages --------------------------------------------------------------------------
    def look(self, storage: Storage, path: Path | None) -> Payload:
        array = storage.elements.array
        if array is None:
            raise leaked(storage, "eager code")
        return array if path is None else path.read(array)

    def elements(self, storage: Storage) -> Elements:
        return storage.elements

    def standing(self, storage: Storage, elements: Elements) -> Elements:
        if elements.array is None:
            raise leaked(storage, "eager code")
        return elements

    def recall(self, elements: Elements, path: Path | None) -> Payload:
        array = elements.array
        return array if path is None or array is None else path.read(array)

    def write(self, storage: Storage, path: Path | None, payload: Payload) -> None:
        if storage.inference:
            self._need_inference(_IN_PLACE)
        _overwrite(self.look(storage, path), payload)
        if not storage.quiet:
            storage.elements.version += 1

    def replace(self, storage: Storage, payload: Payload) -> None:
        if storage.inference:
            self._need_inference(_IN_PLACE)
        array = self.look(storage, None)
        before, others = storage.elements, storage.alike()
        storage.elements = before.after(array)
        for other in others:
            other.elements = storage.elements
        before.array, before.left = array.copy(), True
        _overwrite(array, payload)
        _tell(storage)

    def twin(self, storage: Storage) -> Storage:
        return storage.twin()

    def rebind(self, tensor: Handle, value: Handle) -> None:
        array, storage = self.look(value._storage, value._path), tensor._storage
        elements, kind = value._storage.elements, type_of_array(array)
        if value._view is not None:
            elements.share()
            elements = Elements(self.look(value._storage, value._path))
            elements.share()
        first, *others = storage.tensors()
        if tensor is first and tensor._view is None:  # it stays where compiled functions find it
            if others:
                storage.part(others, storage.elements)
            storage.rebind(elements, kind)
        else:
            tensor._storage, tensor._view = Storage.over(elements, kind), None
            tensor._storage.show(tensor)
        tensor._storage.join(value._storage)
        _tell(storage)

    def strides(self, storage: Storage, path: Path | None) -> tuple[Dim, ...]:
        array = self.look(storage, path)
        if not array.size:  # NumPy's strides of nothing may be any
            return strides_of(path, storage.type.shape)
        return tuple(s // array.itemsize for s in array.strides)

    # -- values ----------------------------------------------------------------------------
    def array(self, storage: Storage, path: Path | None, need: Need) -> Array:
        found: Array = self.look(storage, path)
        return found

    def lend(self, storage: Storage, path: Path | None, need: Need) -> Array:
        self.look(storage, path)
        return storage.elements.lend(path)

    def peek(self, storage: Storage, path: Path | None) -> Array | None:
        array = storage.elements.array
        return array if array is None or path is None else path.read(array)

    def selection(self, mask: Handle) -> SymDim | None:
        return None

    def apart(self, tensor: Handle) -> None:
        pass

    def assigned(self, tensor: Handle) -> None:
        pass

    def number(self, table: dict[str, Any], key: str, index: int | None, name: str) -> Any:
        return float(table[key] if index is None else table[key][index])

    def count(self, tensor: Any) -> Any:
        return tensor.item()

    # -- tensors ---------------------------------------------------------------------------
    def edge(self, tensor: Handle) -> Edge | Leaf | None:
        return tensor._edge

    def seen(self, tensor: Handle) -> Edge | Leaf | None:
        return tensor._seen

    def set_edge(
        self, tensor: Handle, edge: Edge | Leaf | None, seen: Edge | Leaf | None = None
    ) -> None:
        tensor._edge, tensor._seen = edge, seen
        _tell(tensor._storage)

    def is_made(self, tensor: Handle) -> bool:
        return isinstance(tensor._edge, Edge)

    def forget(self, tensor: Handle) -> None:
        self.set_leaf(tensor, False)

    def set_leaf(self, tensor: Handle, requires_grad: bool) -> None:
        if requires_grad == (tensor._edge is not None):
            return
        storage = tensor._storage
        if storage.inference and requires_grad:
            self._need_inference(_WANTS_GRAD)
        if tensor._view is not None and requires_grad:  # from here on it goes its own way
            tensor._storage.share()
            tensor._storage = Storage(self.look(tensor._storage, tensor._path))
            tensor._storage.share()
            tensor._storage.show(tensor)
            tensor._view = None
        tensor._edge = Leaf(tensor) if requires_grad else None
        _tell(storage)

    def become(self, tensor: Handle, other: Handle) -> None:
        view = other._view
        if other is tensor:
            return
        if view is not None and view.base is tensor:
            view.base = type(other)(tensor._storage, tensor._view, tensor._edge)
        storage = tensor._storage
        tensor._storage, tensor._view = other._storage, view
        tensor._storage.show(tensor)
        tensor._edge, tensor._seen = other._edge, other._seen
        _tell(storage)

    def grad(self, tensor: Handle) -> Any:
        return tensor._grad

    def looked_at_grad(self, tensor: Handle) -> None:
        pass

    def set_grad(self, tensor: Handle, gradient: Any) -> None:
        if tensor._grad is not gradient:
            tensor._grad = gradient
            _tell(tensor._storage)

    def hooks(self, tensor: Handle) -> LeafHooks | None:
        return tensor._hooks

    def new_hooks(self, tensor: Handle) -> LeafHooks:
        if tensor._hooks is None:
            tensor._hooks = LeafHooks()
            _tell(tensor._storage)
        return tensor._hooks

    # -- Python's own values ---------------------------------------------------------------
    def guard(
        self,
        key: object,
        check: Callable[[], bool],
        reason: str | Callable[[], str],
        covered: bool = False,
        what: str = "",
    ) -> None:
        pass

    def name(self, storage: Storage, name: str) -> None:
        pass

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        table[key] = value

    def before(self, action: Callable[[], None]) -> None:
        action()

    def once(self, what: str) -> None:
        pass

    def set_attribute(self, changes: dict[str, Any], name: str, value: Any) -> None:
        changes[name] = value
        structure.changed()

    def training(self, module: ModuleLike) -> bool:
        mode: bool = module.__dict__["training"]
        return mode

    def set_training(self, module: ModuleLike, mode: bool) -> None:
        own = module.__dict__
        if own.get("training") is not mode:
            own["training"] = mode
            structure.changed()

    def notes(self, owner: object) -> dict[Any, Any]:
        return {}

    def act(
        self, owner: object, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        return action(*args, **kwargs)

    def run_if(self, condition: Any, function: Callable[[], Any], uncounted: frozenset[str]) -> Any:
        return function() if bool(condition) else None

    def describe(self, describer: Callable[[Recording], None]) -> None:
        pass

    def _need_inference(self, what: str) -> None:
        """Refuses what only code in inference mode does with its tensors.

        Raises:
            RuntimeError: outside of inference mode.
        """
        raise RuntimeError(what)

    # -- scopes ----------------------------------------------------------------------------
    def forward(self, module: ModuleLike, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return module._entry()(*args, **kwargs)
        except RecursionError as error:
            error.args = (TOO_DEEP,)
            raise

    def call(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return compiled.run(args, kwargs)

    def scope(self, path: str = "", transform: str = "") -> AbstractContextManager[Any]:
        return _NOTHING

    def differentiate(self, origin: Origin | None) -> None:
        pass


def _tell(storage: Storage) -> None:
    """A tensor that shows the storage changed otherwise than by a value."""
    if storage.watched:
        structure.changed()


def _fresh(array: Array, operands: Sequence[Array]) -> Array:
    """An array that later writes may change: contiguous, and no operand's memory."""
    flags = array.flags
    own = flags.c_contiguous and flags.writeable
    if own and flags.owndata and not any(array is o for o in operands):
        return array
    if own and not any(np.may_share_memory(array, o) for o in operands):
        return array
    return np.array(array, order="C")


def _path(under: Path | None, op: Op, index: int, storage: Storage, part: Array) -> Path:
    made = Path(under, op, index, type_of_array(part))
    made.source, made.shown = storage.elements.array, part
    return made


def _overwrite(array: Array, payload: Array) -> None:
    if not array.flags.writeable and array.size:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location, or the memory is read-only. Please clone() the tensor before "
            "performing the operation."
        )
    if array.size:
        np.copyto(array, payload)

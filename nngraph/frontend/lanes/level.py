"""The world inside ``vmap``: tensors are elements of a batch, operators compute all of it.

What the code makes of elements holds a ``Part`` in place of an array: the batch, as a storage of
the world outside. Everything else is as it is in the world outside, eager or a trace, or one more
``vmap``. So the tape, views and assignments work on elements, and only operators know the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast

from nngraph.frontend.errors import NUMBER, TRUTH, Need
from nngraph.frontend.protocols import Compiled, Typed
from nngraph.frontend.record import Edge, Handle, Leaf, LeafHooks
from nngraph.frontend.storage import Elements, Path, Payload, Storage
from nngraph.frontend.symint import with_dims
from nngraph.frontend.views import strides_of, viewable, write_through
from nngraph.frontend.world import World
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import float64
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType
from nngraph.ops.batching import Lane, batch
from nngraph.ops.broadcast import Reshape
from nngraph.ops.elementwise import cast as cast_to
from nngraph.ops.random import Normal, RandomBits, Uniform

__all__ = ["Level", "Part", "level_of"]

_DRAWS = (Normal, RandomBits, Uniform)
_NOWHERE = Graph("vmap")


class Part:
    """An element of the batch, for all of them.

    Attributes:
        level: the ``vmap``.
        storage: the batch, in the world outside: its elements along the first axis.
        type: of one element.
    """

    __slots__ = ("level", "storage", "type")
    graph, producer = _NOWHERE, None  # of no trace, for what looks for leaks

    def __init__(self, level: Level, storage: Storage, kind: TensorType) -> None:
        self.level, self.storage, self.type = level, storage, kind


def level_of(storage: Storage | None) -> Level | None:
    """The ``vmap`` whose element a storage holds."""
    value: Any = None if storage is None else storage.elements.value
    return value.level if isinstance(value, Part) else None


class _Term:
    """A payload as an operand, for rules that build operators."""

    __slots__ = ("aval", "payload", "world")

    def __init__(self, world: World, payload: Payload, kind: TensorType) -> None:
        self.world, self.payload, self.aval = world, payload, kind

    def apply(self, op: Op, operands: Sequence[_Term]) -> tuple[_Term, ...]:
        kinds = op.infer(*(o.aval for o in operands))
        outs = self.world.run(op, operands, [o.payload for o in operands])
        return tuple(_Term(self.world, o, k) for o, k in zip(outs, kinds, strict=True))


class Level:
    """See ``World``, which says what each member means; what is missing is the outer world's.

    Attributes:
        outer: the world outside.
        key: what ``vmap`` it is, whatever world it is replayed in.
        size: of the batch.
        randomness: what random numbers do: "error", "same" or "different".
    """

    def __init__(self, outer: World, size: Dim, randomness: str, key: object = None) -> None:
        self.outer, self.size, self.randomness = outer, size, randomness
        self.key = object() if key is None else key

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outer, name)

    @property
    def level(self) -> Level:
        """What the tape notes of entries that are recorded here."""
        return self

    def is_around(self, here: World) -> bool:
        """Whether code in that world runs inside this ``vmap``."""
        while isinstance(here, Level):
            if here.key is self.key:
                return True
            here = here.outer
        return False

    def within(self, here: World) -> Level:
        """The world to replay entries of this ``vmap`` in, where code of ``here`` asks for it."""
        if self.is_around(here):
            return cast("Level", here)
        outer = self.outer.within(here) if isinstance(self.outer, Level) else here
        return self if outer is self.outer else Level(outer, self.size, self.randomness, self.key)

    def owns(self, payload: Payload) -> bool:
        """Whether a payload is an element of this batch."""
        return isinstance(payload, Part) and payload.level.key is self.key

    def held(self, storage: Storage) -> Part | None:
        """The element that a storage holds, None if that is no element of this batch."""
        value: Any = storage.elements.value
        return value if self.owns(value) else None

    def part(self, term: Any) -> Part:
        """An element, of the batch."""
        kind: TensorType = term.aval
        return Part(self, self.outer.hold(term.payload), kind.with_shape(kind.shape[1:]))

    def batch_of(self, payload: Payload, kind: TensorType) -> Payload:
        """The batch whose element a payload is, in the world outside."""
        whole = self._lane(payload, kind).whole
        return whole.payload

    def _lane(self, payload: Payload, kind: TensorType) -> Lane:
        if not self.owns(payload):
            return Lane(_Term(self.outer, payload, kind), self.size, False)
        whole = kind.with_shape((self.size, *kind.shape))
        held = self.outer.look(payload.storage, None)
        return Lane(_Term(self.outer, held, whole), self.size, True)

    # -- operators -------------------------------------------------------------------------
    def run(
        self, op: Op, operands: Sequence[Typed], payloads: Sequence[Payload]
    ) -> Sequence[Payload]:
        if isinstance(op, _DRAWS):
            return self._drawn(op, operands, payloads)
        if not any(map(self.owns, payloads)):
            return self.outer.run(op, operands, payloads)
        op = with_dims(op)
        op.infer(*(o.aval for o in operands))
        lanes = [self._lane(p, o.aval) for p, o in zip(payloads, operands, strict=True)]
        outs = batch(op, lanes, lanes[0])
        return [self.part(o.inner) if o.is_batched else o.inner.payload for o in outs]

    def _drawn(
        self, op: Any, operands: Sequence[Typed], payloads: Sequence[Payload]
    ) -> Sequence[Payload]:
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use "
                "the 'same' or 'different' randomness flags on vmap or perform the randomness "
                "operation out of vmap"
            )
        if self.randomness == "same":
            return self.outer.run(op, operands, payloads)
        made = with_dims(replace(op, shape=(self.size, *op.shape)))
        (kind,) = made.infer(*(o.aval for o in operands))
        (found,) = self.outer.run(made, operands, payloads)
        return [self.part(_Term(self.outer, found, kind))]

    def paths(
        self, op: Op, storage: Storage, path: Path | None, parts: Sequence[Payload]
    ) -> list[Path | None]:
        if self.held(storage) is None:
            return self.outer.paths(op, storage, path, parts)
        if isinstance(op, Reshape):
            shape = storage.type.shape if path is None else path.type.shape
            if viewable(shape, self.strides(storage, path), parts[0].type.shape) is None:
                return [None]
        return [Path(path, op, index, part.type) for index, part in enumerate(parts)]

    def hold(self, payload: Payload) -> Storage:
        return (
            Storage(None, cast("Any", payload)) if self.owns(payload) else self.outer.hold(payload)
        )

    def copied(self, payload: Payload) -> Storage:
        return self.hold(payload) if self.owns(payload) else self.outer.copied(payload)

    def origin_of(self, payloads: Sequence[Payload]) -> Origin:
        return self.outer.here()

    # -- storages --------------------------------------------------------------------------
    def look(self, storage: Storage, path: Path | None) -> Payload:
        held = self.held(storage)
        return self.outer.look(storage, path) if held is None else self._shown(held, path)

    def _shown(self, held: Payload, path: Path | None) -> Payload:
        if path is None:
            return held
        under = self._shown(held, path.under)
        kind = under.type if self.owns(under) else held.type
        return self.run(path.op, [_Term(self, under, kind)], [under])[path.index]

    def elements(self, storage: Storage) -> Elements:
        return self.outer.elements(storage) if self.held(storage) is None else storage.elements

    def standing(self, storage: Storage, elements: Elements) -> Elements:
        return elements if self.owns(elements.value) else self.outer.standing(storage, elements)

    def recall(self, elements: Elements, path: Path | None) -> Payload:
        if not self.owns(elements.value):
            return self.outer.recall(elements, path)
        return self._shown(elements.value, path)

    def write(self, storage: Storage, path: Path | None, payload: Payload) -> None:
        if self.held(storage) is None:
            self._need_same(payload)
            self.outer.write(storage, path, payload)
            return
        if path is not None:
            payload = self._written_through(storage, path, payload)
        storage.elements.value = cast("Any", self._own(storage, payload))
        if not storage.quiet:
            storage.elements.version += 1

    def _written_through(self, storage: Storage, path: Path, part: Payload) -> Payload:
        def read(place: Path | None) -> _Term:
            kind = storage.type if place is None else place.type
            return _Term(self, self.look(storage, place), kind)

        term = _Term(self, part, path.type)
        return write_through(path, storage.type.shape, term, read).payload

    def _own(self, storage: Storage, payload: Payload) -> Part:
        if self.owns(payload):
            return cast("Part", payload)
        kind = storage.type
        batch_type = kind.with_shape((self.size, *kind.shape))
        return self.part(_Term(self.outer, self.batch_of(payload, kind), batch_type))

    def _need_same(self, payload: Payload) -> None:
        if self.owns(payload):
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists "
                "a Tensor `other` in extra_args that has more elements than `self`: `other` "
                "differs from element to element of the batch, and `self` does not. Use the "
                "out-of-place operator, or make `self` of what differs: x.new_zeros(3) is "
                "ng.zeros(3) + 0 * x.sum()."
            )

    def replace(self, storage: Storage, payload: Payload) -> None:
        if self.held(storage) is None:
            self._need_same(payload)
            self.outer.replace(storage, payload)
            return
        before, others = storage.elements, storage.alike()
        before.left = True
        now = Elements(None, cast("Any", self._own(storage, payload)), before.version + 1)
        for each in (storage, *others):
            each.elements = now

    def twin(self, storage: Storage) -> Storage:
        return self.outer.twin(storage) if self.held(storage) is None else storage.twin()

    def rebind(self, tensor: Handle, value: Handle) -> None:
        if self.held(tensor._storage) is None and self.held(value._storage) is None:
            self.outer.rebind(tensor, value)
            return
        raise RuntimeError("vmap: t.data = other is not supported; write t = other, or t.copy_()")

    def strides(self, storage: Storage, path: Path | None) -> tuple[Dim, ...]:
        if self.held(storage) is None:
            return self.outer.strides(storage, path)
        return strides_of(path, storage.type.shape)

    # -- values ----------------------------------------------------------------------------
    def array(self, storage: Storage, path: Path | None, need: Need) -> Array:
        if self.held(storage) is None:
            return self.outer.array(storage, path, need)
        self._refuse_values(need.what, need)

    def lend(self, storage: Storage, path: Path | None, need: Need) -> Array:
        if self.held(storage) is None:
            return self.outer.lend(storage, path, need)
        self._refuse_values(need.what, need)

    def _refuse_values(self, what: str, need: Need | None = None) -> NoReturn:
        if need is TRUTH:
            raise RuntimeError(
                "vmap: It looks like you're attempting to use a Tensor in some data-dependent "
                "control flow. We don't support that: write ng.where(x > 0, a, b) instead of an if."
            )
        if need is NUMBER:
            raise RuntimeError(
                "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap "
                "over calling .item() on a Tensor, please try to rewrite what you're doing with "
                "other operations."
            )
        raise RuntimeError(
            f"vmap: {what} needs the values of a tensor that differs from element to element of "
            "the batch. Write it with operations on tensors, or do it outside of vmap."
        )

    def peek(self, storage: Storage, path: Path | None) -> Array | None:
        return self.outer.peek(storage, path) if self.held(storage) is None else None

    def selection(self, mask: Handle) -> Any:
        if self.held(mask._storage) is None:
            return self.outer.selection(mask)
        self._refuse_values("x[mask], whose size depends on the mask,")

    def apart(self, tensor: Handle) -> None:
        if self.held(tensor._storage) is None:
            self.outer.apart(tensor)

    def assigned(self, tensor: Handle) -> None:
        if self.held(tensor._storage) is None:
            self.outer.assigned(tensor)

    def count(self, tensor: Any) -> Any:
        return (
            self.outer.count(tensor)
            if self.held(tensor._storage) is None
            else cast_to(tensor, float64)
        )

    # -- tensors ---------------------------------------------------------------------------
    def edge(self, tensor: Handle) -> Edge | Leaf | None:
        return self.outer.edge(tensor) if self.held(tensor._storage) is None else tensor._edge

    def seen(self, tensor: Handle) -> Edge | Leaf | None:
        return self.outer.seen(tensor) if self.held(tensor._storage) is None else tensor._seen

    def set_edge(
        self, tensor: Handle, edge: Edge | Leaf | None, seen: Edge | Leaf | None = None
    ) -> None:
        if self.held(tensor._storage) is None:
            self.outer.set_edge(tensor, edge, seen)
        else:
            tensor._edge, tensor._seen = edge, seen

    def is_made(self, tensor: Handle) -> bool:
        if self.held(tensor._storage) is None:
            return self.outer.is_made(tensor)
        return isinstance(tensor._edge, Edge)

    def forget(self, tensor: Handle) -> None:
        self.set_leaf(tensor, False)

    def set_leaf(self, tensor: Handle, requires_grad: bool) -> None:
        if self.held(tensor._storage) is None:
            self.outer.set_leaf(tensor, requires_grad)
        elif requires_grad != (tensor._edge is not None):
            if tensor._view is not None and requires_grad:  # from here on it goes its own way
                tensor._storage = self.hold(self.look(tensor._storage, tensor._path))
                tensor._storage.show(tensor)
                tensor._view = None
            tensor._edge = Leaf(tensor) if requires_grad else None

    def become(self, tensor: Handle, other: Handle) -> None:
        if self.held(tensor._storage) is None:
            self.outer.become(tensor, other)
        elif other is not tensor:
            view = other._view
            if view is not None and view.base is tensor:
                view.base = type(other)(tensor._storage, tensor._view, tensor._edge)
            tensor._storage, tensor._view = other._storage, view
            tensor._storage.show(tensor)
            tensor._edge, tensor._seen = other._edge, other._seen

    def grad(self, tensor: Handle) -> Any:
        return self.outer.grad(tensor) if self.held(tensor._storage) is None else tensor._grad

    def looked_at_grad(self, tensor: Handle) -> None:
        if self.held(tensor._storage) is None:
            self.outer.looked_at_grad(tensor)

    def set_grad(self, tensor: Handle, gradient: Any) -> None:
        if self.held(tensor._storage) is not None:
            tensor._grad = gradient
            return
        if gradient is not None and self.held(gradient._storage) is not None:
            raise RuntimeError(
                "vmap: backward() gives a tensor from outside a gradient that differs from element "
                "to element of the batch. Use ng.func.grad, or ng.autograd.grad, and return it."
            )
        self.outer.set_grad(tensor, gradient)

    def hooks(self, tensor: Handle) -> LeafHooks | None:
        return self.outer.hooks(tensor) if self.held(tensor._storage) is None else tensor._hooks

    def new_hooks(self, tensor: Handle) -> LeafHooks:
        if self.held(tensor._storage) is None:
            return self.outer.new_hooks(tensor)
        tensor._hooks = tensor._hooks or LeafHooks()
        return tensor._hooks

    def call(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return compiled.function(*args, **kwargs)

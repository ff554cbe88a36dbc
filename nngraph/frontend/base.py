"""The core of ``Tensor``: its elements, its gradients and assignment in place."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np

from nngraph.frontend.backward import backpropagate
from nngraph.frontend.devices import CPU, device
from nngraph.frontend.errors import INDEX, NUMBER, NUMPY, TEXT, TRUTH, Need
from nngraph.frontend.hooks import HookedTensor, keep_retaining
from nngraph.frontend.joint import need_no_joint
from nngraph.frontend.modes import is_grad_enabled, recording
from nngraph.frontend.record import Edge, Entry, Leaf, Saved, View
from nngraph.frontend.rows import attach, joined, rows_of
from nngraph.frontend.storage import Path, Payload, Storage
from nngraph.frontend.symint import size_of
from nngraph.frontend.tape import apply, edge_of, root_of
from nngraph.frontend.views import write_through
from nngraph.frontend.world import World, world
from nngraph.ir.dtypes import DType, bool_
from nngraph.ir.op import Array, Op
from nngraph.ops import creation
from nngraph.ops.broadcast import broadcast_to
from nngraph.ops.elementwise import add, select
from nngraph.ops.elementwise import cast as cast_to
from nngraph.ops.elementwise.arithmetic import copy as copy_of

__all__ = ["Size", "TensorBase", "own_if_view", "seed_of"]


class TensorBase(HookedTensor):
    """What every tensor can do apart from arithmetic; see ``Tensor``."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy's operators defer to ours

    # -- the operand protocol --------------------------------------------------------------
    def apply(self, op: Op, operands: Sequence[TensorBase]) -> tuple[Any, ...]:
        """Applies an operator to tensors: the one way in which tensors compute."""
        return apply(op, operands)

    def _read(self, here: World) -> Payload:
        view = self._view
        return here.look(self._storage, None if view is None else view.path)

    def _edge_in(self, here: World) -> Edge | Leaf | None:
        return here.edge(self) if self._view is None else edge_of(self, here)

    def _saved(self, here: World, edge: Edge | Leaf | None) -> Saved:
        storage, view = self._storage, self._view
        saved = Saved(storage, here.elements(storage), None if view is None else view.path, edge)
        saved.follows = view is None and storage.is_first(self)
        return saved

    def _as_tensor(self) -> Self:
        return self

    # -- what it is ------------------------------------------------------------------------
    @property
    def dtype(self) -> DType:
        return self.aval.dtype

    @property
    def shape(self) -> Size:
        shape = self.aval.shape
        for d in shape:
            if type(d) is not int:
                return Size(map(size_of, shape))
        return Size(shape)

    @property
    def ndim(self) -> int:
        return self.aval.rank

    @property
    def device(self) -> device:
        """Where the elements are: the CPU, wherever compiled functions keep their state."""
        return CPU

    @property
    def requires_grad(self) -> bool:
        return self._edge_in(world()) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operator made it."""
        return not isinstance(self._edge_in(world()), Edge)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Asks for (or stops) gradients of a leaf.

        Raises:
            RuntimeError: for a tensor of integers, or for one that recorded operators made.
        """
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        here = world()
        if self._view is None:
            made = here.is_made(self)
        else:
            made = isinstance(edge_of(self, here), Edge)
        if made:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables; use detach() to "
                    "get a tensor that needs no gradient"
                )
        else:
            here.set_leaf(self, requires_grad)
        return self

    # -- its elements ----------------------------------------------------------------------
    def _array(self, need: Need) -> Array:
        """The elements."""
        return world().array(self._storage, self._path, need)

    def _lent(self, need: Need) -> Array:
        """The elements as others hold them."""
        return world().lend(self._storage, self._path, need)

    def numpy(self) -> Array:
        """The elements as a NumPy array that shares memory.

        Raises:
            RuntimeError: if the tensor requires grad (use ``t.detach().numpy()``).
        """
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        return self._lent(NUMPY)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            self.numpy()
        return np.array(self._lent(NUMPY), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._lent(NUMPY).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._array(NUMPY).__dlpack_device__()

    def item(self) -> Any:
        """The only element as a Python number.

        Raises:
            RuntimeError: if there is not exactly one element.
        """
        return self._item(NUMBER)

    def _item(self, need: Need) -> Any:
        array = self._array(need)
        if array.size != 1:
            raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
        return array.item() if self.dtype.name != "bfloat16" else float(array.item())

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        array = self._array(NUMPY)
        return (array.astype(np.float32) if self.dtype.name == "bfloat16" else array).tolist()

    def __bool__(self) -> bool:
        array = self._array(TRUTH)
        if array.size != 1:
            count = "more than one value" if array.size else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {count} is ambiguous")
        return bool(array.item())

    def __float__(self) -> float:
        return float(self._single(NUMBER))

    def __int__(self) -> int:
        return int(self._single(NUMBER))

    def __index__(self) -> int:
        if self.dtype.is_floating_point:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._single(INDEX))

    def _single(self, need: Need) -> Any:
        array = self._array(need)
        if array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars; this "
                f"one is {self.aval}"
            )
        return array.item()

    def __format__(self, spec: str) -> str:
        known = self.ndim == 0 and world().peek(self._storage, self._path) is not None
        if known or (spec and self.ndim == 0):
            return format(self._item(TEXT), spec)
        return format(str(self), spec)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return operator.index(self.shape[0])

    __hash__ = object.__hash__

    # -- gradients -------------------------------------------------------------------------
    @property
    def grad_fn(self) -> Entry | None:
        """What ``backward`` runs for this tensor: a recorded operator, None for a leaf."""
        edge = self._edge_in(world())
        return edge.entry if isinstance(edge, Edge) else None

    @property
    def grad(self) -> TensorBase | None:
        """The gradient that ``backward`` left here, None before."""
        here = world()
        found: TensorBase | None = here.grad(self)
        here.looked_at_grad(self)
        return found

    @grad.setter
    def grad(self, value: TensorBase | None) -> None:
        if value is not None and (value.aval.shape != self.aval.shape or value.dtype != self.dtype):
            raise RuntimeError(f"assigned grad is {value.aval}; the tensor is {self.aval}")
        world().set_grad(self, value)

    def backward(
        self,
        gradient: TensorBase | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: TensorBase | Sequence[TensorBase] | None = None,
    ) -> None:
        """Adds the gradients of this tensor to ``grad`` of the leaves that it depends on.

        Args:
            gradient: of this tensor; not needed if it has one element.
            retain_graph: keep what is needed for another backward (default: ``create_graph``).
            create_graph: record the gradients too, for derivatives of higher order.
            inputs: only these tensors, leaves or results, get gradients.

        Raises:
            RuntimeError: if nothing was recorded, a gradient is needed and not given, or an input
                requires none.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn; a result "
                "of a compiled function that called backward() for it has none any more"
            )
        seed = seed_of(self, gradient)
        keep = create_graph if retain_graph is None else retain_graph

        backpropagate([(self, seed)], keep, create_graph, inputs)

    def _accumulate(self, gradient: TensorBase, create_graph: bool) -> None:
        rows = rows_of(gradient)
        gradient = gradient if create_graph else _own_memory(gradient)
        known: TensorBase | None = world().grad(self)
        if known is None:
            attach(gradient, rows)
            self.grad = gradient
            return
        rows = None if rows is None else joined(rows_of(known), rows)
        if create_graph:
            self.grad = add(known, gradient)
        else:
            known._assign(add(known.detach(), gradient))
            attach(known, rows)

    def detach(self) -> TensorBase:
        """The same elements (memory is shared), outside the recorded history."""
        view, made = self._view, self._result
        plain: TensorBase = made(self._storage)
        if view is not None:
            plain = made(self._storage, View(plain, view.path))
        return plain

    def detach_(self) -> Self:
        """Forgets how this tensor was made.

        Raises:
            RuntimeError: for a view with a history.
        """
        here = world()
        if self._edge_in(here) is not None:
            if self._view is not None:
                raise RuntimeError("Can't detach views in-place. Use detach() instead.")
            here.forget(self)
        return self

    @property
    def data(self) -> TensorBase:
        """The same elements, outside the recorded history, which does not hear of writes to them.

        Assigning gives the tensor the memory of another one; what shared its memory keeps that.
        """
        here, view, made = world(), self._view, self._result
        plain: TensorBase = made(here.twin(self._storage))
        return plain if view is None else made(plain._storage, View(plain, view.path))

    @data.setter
    def data(self, value: TensorBase) -> None:
        if value._storage is not self._storage or value._view is not self._view:
            world().rebind(self, value)

    def set_(self, source: TensorBase) -> Self:
        """Gives the tensor the memory of ``source``.

        Raises:
            RuntimeError: for a leaf that requires grad while gradients are recorded, and for
                elements of another dtype.
        """
        self._need_no_leaf(self._edge_in(world()))
        if source.dtype is not self.dtype:
            raise RuntimeError(f"set_() of {self.aval} needs its dtype, not {source.aval}")
        self.data = source
        return self

    # -- assignment in place ---------------------------------------------------------------
    def _assign(self, new: TensorBase) -> Self:
        """Makes the elements those of ``new``: the last step of every method named ``..._``.

        Raises:
            RuntimeError: for a leaf that requires grad while gradients are recorded, and for a
                result of another shape.
        """
        if new.aval.shape != self.aval.shape:
            raise RuntimeError(
                f"an in-place operation gives {new.aval}, which does not fit the tensor {self.aval}"
            )
        here = world()
        edge, new_edge = self._edge_in(here), new._edge_in(here)
        if not is_grad_enabled() or (edge is None and new_edge is None):
            self._write(new)
            return self
        self._need_no_leaf(edge)
        need_no_joint(edge)
        if edge is None:
            new = copy_of(new) if isinstance(new_edge, Leaf) else new  # no leaf itself
        elif not isinstance(new_edge, Edge):
            new = self._after(new)
        if self._view is None:
            here.replace(self._storage, new._read(here))
            here.set_edge(self, new._edge_in(here))
            keep_retaining(self, edge)
        else:
            base, before = cast("TensorBase", root_of(self)), here.elements(self._storage)
            base._assign(self._written_through(base, new))
            before.part = self._path
        return self

    def _need_no_leaf(self, edge: Edge | Leaf | None) -> None:
        if isinstance(edge, Leaf) and not edge.is_made and is_grad_enabled():
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation. "
                "Wrap the change in `with ng.no_grad():`."
            )

    def _after(self, new: TensorBase) -> TensorBase:
        """``new`` as what follows the elements, of which nothing is left: their gradient is 0."""
        keep = creation.full(False, bool_, (), self)
        return select.where(keep, self, new)

    def _replace(self, new: TensorBase) -> Self:
        """``_assign`` of elements that do not depend on those of this tensor."""
        if is_grad_enabled() and isinstance(self._edge_in(world()), Edge):
            new = self._after(new)
        return self._assign(new)

    def _written_through(self, base: TensorBase, part: TensorBase) -> TensorBase:
        """What the base becomes when this view of it becomes ``part``."""

        def read(path: Path | None) -> TensorBase:
            view = None if path is None else View(base, path)
            return base if view is None else cast("TensorBase", base._result(base._storage, view))

        whole = write_through(self._path, base.aval.shape, part, read)
        return cast("TensorBase", whole)

    def _write(self, new: TensorBase) -> None:
        """Overwrites the elements, for all tensors that share them; nothing is recorded."""
        if new.aval != self.aval:
            with recording(False):
                new = broadcast_to(select.cast(new, self.dtype), self.aval.shape)
        here = world()
        here.write(self._storage, self._path, new._read(here))

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise RuntimeError("only tensors that are leaves can be pickled; detach() it first")
        array = np.array(self._array(Need("pickle.dumps(tensor)")), order="C")
        return _rebuilt, (type(self), array, self.requires_grad)

    def __copy__(self) -> Self:
        return cast("Self", self.detach().requires_grad_(self.requires_grad))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user support the deepcopy protocol; "
                "detach() it first"
            )
        here = world()
        plain = self._result(here.copied(self._read(here)))
        twin = self._clone_with(plain, self.requires_grad)
        gradient = self.grad
        if gradient is not None:
            twin.grad = copy.deepcopy(gradient, memo)
        memo[id(self)] = twin
        return twin

    def _clone_with(self, plain: TensorBase, requires_grad: bool) -> Self:
        """A tensor of this class over the storage of ``plain``."""
        return cast("Self", plain.requires_grad_(requires_grad))


class Size(tuple[Any, ...]):
    """A shape: a tuple of sizes that prints like PyTorch's; dynamic ones are ``SymInt``s."""

    __slots__ = ()

    def numel(self) -> Any:
        """The number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"nngraph.Size([{', '.join(map(str, self))}])"


def _own_memory(gradient: TensorBase) -> TensorBase:
    """A gradient that may be written in place: several leaves may have got the same one."""
    here = world()
    own: TensorBase = gradient._result(here.copied(gradient._read(here)))
    return own


def own_if_view(gradient: TensorBase) -> TensorBase:
    """A gradient with memory of its own: a view may have one place for several elements."""
    return gradient if gradient._view is None else _own_memory(gradient)


def _rebuilt(kind: type[TensorBase], array: Array, requires_grad: bool) -> TensorBase:
    """The tensor that was pickled."""
    plain = TensorBase._result(Storage(array))
    made = plain if kind is TensorBase._result else kind(plain)
    return cast("TensorBase", made.requires_grad_() if requires_grad else made)


def seed_of(root: TensorBase, gradient: TensorBase | None) -> TensorBase:
    """The gradient that backward starts with, of the root's dtype: one, if none is given.

    Raises:
        RuntimeError: if the root has several elements, or the gradient another shape.
    """
    if gradient is None:
        if root.aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return creation.ones_like(root)
    if gradient.aval.shape != root.aval.shape:
        raise RuntimeError(f"the gradient is {gradient.aval}; the tensor is {root.aval}")
    return gradient if gradient.dtype is root.dtype else cast_to(gradient, root.dtype)

"""The core of ``Tensor``: a handle on a variable, with gradients and assignment in place."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast
from weakref import ref

import numpy as np

from nngraph.frontend.modes import active_trace, is_grad_enabled, set_grad_enabled
from nngraph.frontend.tape import apply_to_variables, gradients
from nngraph.frontend.trace import ConcretizationError, TraceError
from nngraph.frontend.userline import user_source
from nngraph.frontend.variable import VIEWS, Storage, Variable
from nngraph.frontend.views import Alias, alias_of, sync, write_through
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, bool_
from nngraph.ir.op import Array, Op
from nngraph.ir.types import TensorType
from nngraph.ops import creation
from nngraph.ops.elementwise import select

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["Size", "TensorBase", "seed_of"]


class TensorBase:
    """What every tensor can do apart from arithmetic; see ``Tensor``."""

    __slots__ = ("__weakref__", "_alias", "_grad", "_own")
    __array_ufunc__ = None  # NumPy's operators defer to ours
    _result: ClassVar[type[Tensor]]

    def __init__(self, variable: Variable) -> None:
        self._own = variable
        self._alias: Alias | None = None
        self._grad: Tensor | None = None
        if variable.requires_grad and variable.entry is None:
            variable.owner = cast("ref[Tensor]", ref(self))

    @property
    def _variable(self) -> Variable:
        """What the tensor is now: a view follows its base."""
        if self._alias is not None:
            sync(self, self._alias)
        return self._own

    @_variable.setter
    def _variable(self, value: Variable) -> None:
        self._own, self._alias = value, None

    # -- the operand protocol --------------------------------------------------------------
    @property
    def type(self) -> TensorType:
        """Element type and shape as the graph has them."""
        return self._own.storage.type

    def apply(self, op: Op, operands: Sequence[TensorBase]) -> tuple[Tensor, ...]:
        """Applies an operator to tensors: the one way in which tensors compute."""
        outs = tuple(
            self._result(v) for v in apply_to_variables(op, [t._variable for t in operands])
        )
        if isinstance(op, VIEWS):
            for index, out in enumerate(outs):
                out._alias = alias_of(operands[0], op, index, out)
        return outs

    # -- what it is ------------------------------------------------------------------------
    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def shape(self) -> Size:
        return Size(self.type.shape)

    @property
    def ndim(self) -> int:
        return self.type.rank

    @property
    def device(self) -> str:
        """Where the elements are; always ``"cpu"`` for eager tensors."""
        return "cpu"

    @property
    def requires_grad(self) -> bool:
        return self._variable.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operator made it."""
        return self._variable.entry is None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Asks for (or stops) gradients of a leaf.

        Raises:
            RuntimeError: for a tensor of integers, or for one that recorded operators made.
        """
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not self.is_leaf and not requires_grad:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables; use detach() to get a "
                "tensor that needs no gradient"
            )
        self._variable.requires_grad = requires_grad
        if requires_grad and self.is_leaf:
            self._variable.owner = cast("ref[Tensor]", ref(self))
        return self

    # -- its elements ----------------------------------------------------------------------
    def _array(self, what: str) -> Array:
        """The elements, for a method called ``what``."""
        storage = self._variable.storage
        if active_trace() is not None or storage.array is None:
            raise ConcretizationError(what, storage.type)
        return storage.array

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
        return self._array("numpy()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            self.numpy()
        return np.array(self._array("np.asarray(tensor)"), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._array("__dlpack__()").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._array("__dlpack_device__()").__dlpack_device__()

    def item(self) -> Any:
        """The only element as a Python number.

        Raises:
            RuntimeError: if there is not exactly one element.
        """
        array = self._array("item()")
        if array.size != 1:
            raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
        return array.item() if self.dtype.name != "bfloat16" else float(array.item())

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        array = self._array("tolist()")
        return (array.astype(np.float32) if self.dtype.name == "bfloat16" else array).tolist()

    def __bool__(self) -> bool:
        array = self._array("bool(tensor)")
        if array.size != 1:
            count = "more than one value" if array.size else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {count} is ambiguous")
        return bool(array.item())

    def __float__(self) -> float:
        return float(self._single("float(tensor)"))

    def __int__(self) -> int:
        return int(self._single("int(tensor)"))

    def __index__(self) -> int:
        if self.dtype.is_floating_point:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._single("an index"))

    def _single(self, what: str) -> Any:
        array = self._array(what)
        if array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars; this "
                f"one is {self.type}"
            )
        return array.item()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else format(str(self), spec)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(cast("int", self.shape[0]))

    __hash__ = object.__hash__

    # -- gradients -------------------------------------------------------------------------
    @property
    def grad_fn(self) -> object | None:
        """What ``backward`` runs for this tensor: a recorded operator, None for a leaf."""
        return self._variable.entry

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` left here, None before."""
        trace = active_trace()
        if trace is not None:
            trace.note_grad(cast("Tensor", self), read=True)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and (value.type.shape != self.type.shape or value.dtype != self.dtype):
            raise RuntimeError(f"assigned grad is {value.type}; the tensor is {self.type}")
        trace = active_trace()
        if trace is not None:
            trace.note_grad(cast("Tensor", self), read=False)
        self._grad = value

    def backward(
        self,
        gradient: TensorBase | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Adds the gradients of this tensor to ``grad`` of the leaves that it depends on.

        Raises:
            RuntimeError: if nothing was recorded, or a gradient is needed and not given.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn; if it is "
                "the result of a compiled function, call backward() inside that function"
            )
        seed = seed_of(self, gradient)
        keep = create_graph if retain_graph is None else retain_graph
        leaves, found = gradients([(self._variable, seed)], None, create_graph, keep)
        for leaf, gradient_of_leaf in zip(leaves, found, strict=True):
            owner = leaf.owner() if leaf.owner is not None else None
            if owner is not None and gradient_of_leaf is not None:
                own = gradient_of_leaf if create_graph else _own_memory(gradient_of_leaf)
                owner._accumulate(self._result(own), create_graph)

    def _accumulate(self, gradient: Tensor, create_graph: bool) -> None:
        known = self.grad
        if known is None:
            self.grad = gradient
        elif create_graph:
            self.grad = known + gradient
        else:
            known._assign((known.detach() + gradient)._variable)

    def detach(self) -> Tensor:
        """The same elements (memory is shared), outside the recorded history."""
        return self._result(Variable(self._variable.storage))

    def detach_(self) -> Self:
        """Forgets how this tensor was made."""
        self._variable = Variable(self._variable.storage)
        return self

    @property
    def data(self) -> Tensor:
        """``detach()``; assigning replaces the elements."""
        return self.detach()

    @data.setter
    def data(self, value: TensorBase) -> None:
        if value.type == self.type:
            self._write(value._variable)
            return
        if active_trace() is not None:
            raise TraceError(
                f"t.data = {value.type} changes the type of a {self.type} while "
                f"tracing:\n    {user_source()}"
            )
        storage = self._variable.storage
        storage.array, storage.type = value._array("t.data = tensor"), value.type
        storage.version += 1

    # -- assignment in place ---------------------------------------------------------------
    def _assign(self, new: Variable) -> Self:
        """Makes the tensor what ``new`` is: the last step of every method named ``..._``.

        Raises:
            RuntimeError: for a leaf that requires grad while gradients are recorded, and for a
                result of another shape.
        """
        old = self._variable
        if new.type.shape != old.type.shape:
            raise RuntimeError(
                f"an in-place operation gives {new.type}, which does not fit the tensor {old.type}"
            )
        recorded = is_grad_enabled() and (new.requires_grad or old.requires_grad)
        if not recorded:
            self._write(new)
            return self
        if old.requires_grad and old.entry is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation. "
                "Wrap the change in `with ng.no_grad():`."
            )
        if not new.requires_grad:  # nothing of the old elements is left: their gradient is zero
            keep = creation.full(False, bool_, (), old)
            new = select.where(keep, old, new)
        self._replace(new)
        return self

    def _replace(self, new: Variable) -> None:
        """Makes the tensor the recorded result ``new``, for all handles that share its memory."""
        if self._alias is not None:
            base = self._alias.base
            base._assign(write_through(self._alias, self._result(new))._variable)
            return
        old = self._own
        storage = old.storage
        if old.entry is not None and old.entry.outputs[old.index] is storage:
            self._own = new  # rules may still read the old elements
            return
        trace = active_trace()
        if trace is not None:
            frozen = Storage(None, trace.read(storage))
            trace.after.append(lambda: setattr(self, "_own", Variable(storage)))
        else:
            assert storage.array is not None
            frozen = Storage(storage.array.copy())
        frozen.version = storage.version
        self._own = Variable(storage, True, new.entry, new.index)
        old.storage = frozen
        self._overwrite(storage, new)

    def _write(self, new: Variable) -> None:
        """Overwrites the elements, for all handles that share them."""
        storage = self._variable.storage
        if new.type != storage.type:
            new = (self._result(new).to(storage.type.dtype).expand(*storage.type.shape))._variable
        if self._alias is not None and active_trace() is not None:
            part = self._result(Variable(new.storage))
            with set_grad_enabled(False):
                self._alias.base._write(write_through(self._alias, part)._variable)
        else:
            self._overwrite(storage, new)

    def _overwrite(self, storage: Storage, new: Variable) -> None:
        trace = active_trace()
        if trace is not None:
            trace.write(storage, trace.read(new.storage))
        elif storage.array is None:
            raise ConcretizationError("assignment in place", storage.type)
        else:
            if not storage.array.flags.writeable:
                self._refuse_repeats()
            np.copyto(storage.array, new.payload)
            storage.version += 1

    def _refuse_repeats(self) -> None:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location, or the memory is read-only. Please clone() the tensor before "
            "performing the operation."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise RuntimeError("only tensors that are leaves can be pickled; detach() it first")
        array = np.array(self._array("pickle.dumps(tensor)"), order="C")
        return _rebuilt, (type(self), array, self.requires_grad)

    def __copy__(self) -> Self:
        return cast("Self", self.detach().requires_grad_(self.requires_grad))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user support the deepcopy protocol; "
                "detach() it first"
            )
        array = self._array("copy.deepcopy(tensor)")
        twin = self._clone_with(Variable(Storage(array.copy()), self.requires_grad))
        if self._grad is not None:
            twin._grad = copy.deepcopy(self._grad, memo)
        memo[id(self)] = twin
        return twin

    def _clone_with(self, variable: Variable) -> Self:
        return type(self)(variable)


class Size(tuple[Dim, ...]):
    """A shape: a tuple of sizes that prints like PyTorch's."""

    __slots__ = ()

    def numel(self) -> Dim:
        """The number of elements."""
        total: Dim = 1
        for d in self:
            total = total * d
        return total

    def __repr__(self) -> str:
        return f"nngraph.Size([{', '.join(map(str, self))}])"


def _own_memory(gradient: Variable) -> Variable:
    """A gradient that may be written in place: several leaves may have got the same one."""
    storage = gradient.storage
    if storage.array is None or active_trace() is not None:
        return Variable(Storage(None, gradient.payload))
    return Variable(Storage(np.array(storage.array, order="C")))


def _rebuilt(kind: type[TensorBase], array: Array, requires_grad: bool) -> TensorBase:
    """The tensor that was pickled."""
    plain = TensorBase._result(Variable(Storage(array)))
    made = plain if kind is TensorBase._result else kind(plain)  # type: ignore[arg-type]
    return made.requires_grad_() if requires_grad else made


def seed_of(root: TensorBase, gradient: TensorBase | None) -> Variable:
    """The gradient that backward starts with: one, if none is given.

    Raises:
        RuntimeError: if the root has several elements, or the gradient another shape.
    """
    if gradient is None:
        if root.type.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return creation.ones_like(root._variable)
    if gradient.type.shape != root.type.shape:
        raise RuntimeError(f"the gradient is {gradient.type}; the tensor is {root.type}")
    return gradient._variable

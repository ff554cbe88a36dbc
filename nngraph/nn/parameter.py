"""Tensors that a module owns: parameters, which train, and buffers, which do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from nngraph.frontend.base import TensorBase
from nngraph.frontend.checkpoint.kinds import register
from nngraph.frontend.functional.creation import empty
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "is_lazy",
    "is_parameter",
]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: its elements; memory is shared. None gives a tensor of no elements.
        requires_grad: whether ``backward`` fills ``grad``.

    Raises:
        RuntimeError: if ``requires_grad`` is asked for a tensor of integers.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(_storage_of(data))
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def _clone_with(self, plain: TensorBase, requires_grad: bool) -> Self:
        return type(self)(plain, requires_grad)


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to.

    Args:
        data: its elements; memory is shared.
        persistent: whether it is part of ``state_dict``.
    """

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        super().__init__(_storage_of(data))
        self.persistent = persistent

    def _clone_with(self, plain: TensorBase, requires_grad: bool) -> Self:
        return type(self)(plain, persistent=self.persistent)


register("parameter", Parameter, Parameter)
register("buffer", Buffer, lambda data, persistent: Buffer(data, persistent=persistent))


def _storage_of(data: Any) -> Storage:
    """The storage of the data; a view's memory becomes a storage of its own, which both hold."""
    tensor = empty(0) if data is None else data if isinstance(data, TensorBase) else as_tensor(data)
    here, storage = world(), tensor._storage
    if tensor._view is None:
        if not storage.quiet:
            return storage
        own = here.twin(storage)  # of a tensor's data: the tape hears of writes to the parameter
        own.quiet = False
        return own
    storage.share()
    made = here.hold(tensor._read(here))
    made.share()
    return made


def is_parameter(value: object) -> bool:
    """True for ``Parameter``s."""
    return isinstance(value, Parameter)


# -- whose shape is not known yet --------------------------------------------------------------
class UninitializedTensorMixin:
    """A tensor without elements, whose shape is still to be inferred.

    Its dtype may change, and ``materialize`` gives it elements; anything else is refused.
    """

    cls_to_become: ClassVar[type[Tensor]]
    data: Any

    def materialize(
        self, shape: Sequence[int], device: object = None, dtype: DType | None = None
    ) -> None:
        """Makes it a tensor of this shape, whose elements mean nothing yet."""
        self.data = empty(*shape, device=device, dtype=self.dtype if dtype is None else dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def dtype(self) -> DType:
        storage: Storage = self._storage  # type: ignore[attr-defined]
        return storage.type.dtype

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    @property
    def aval(self) -> Any:
        raise ValueError(
            "Attempted to use an uninitialized parameter. This error happens when you are using a "
            "`LazyModule` or explicitly manipulating "
            f"`nngraph.nn.parameter.{self.__class__.__name__}` objects. When using LazyModules "
            "Call `forward` with a dummy batch to initialize the parameters before calling tensor "
            "functions"
        )

    def type(self, *args: Any, **kwargs: Any) -> Any:
        return self.aval

    def detach(self) -> Any:
        return self.aval

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        return self.aval

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self.data.to(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyLinear.html
    """

    cls_to_become = Parameter

    def __init__(
        self, requires_grad: bool = True, device: object = None, dtype: DType | None = None
    ) -> None:
        Tensor.__init__(self, empty(0, device=device, dtype=dtype)._storage)
        world().set_leaf(self, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = memo[id(self)] = type(self)(self.requires_grad, None, self.dtype)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape is not known yet."""

    cls_to_become = Buffer

    def __init__(
        self,
        requires_grad: bool = False,
        device: object = None,
        dtype: DType | None = None,
        persistent: bool = True,
    ) -> None:
        super().__init__(empty(0, device=device, dtype=dtype), persistent=persistent)
        world().set_leaf(self, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        again = (self.requires_grad, None, self.dtype, self.persistent)
        made = memo[id(self)] = type(self)(*again)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, None, self.dtype, self.persistent)


def is_lazy(param: object) -> bool:
    """Whether the shape of a parameter or buffer is not known yet."""
    return isinstance(param, UninitializedTensorMixin)

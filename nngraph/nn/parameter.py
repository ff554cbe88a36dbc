"""Tensors that a module owns: parameters, which train, and buffers, which do not."""

from __future__ import annotations

from typing import Any, Self

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.creation import empty
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world

__all__ = ["Buffer", "Parameter", "is_parameter"]


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

"""Memory as PyTorch's code looks at it: addresses, buffers, elements one by one in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nngraph.frontend.errors import Need
from nngraph.frontend.functional.data import from_shared
from nngraph.frontend.functional.variants import function, method
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, as_dtype
from nngraph.ir.op import Array

__all__ = ["frombuffer", "is_storage", "typename"]


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


@method
def data_ptr(input: Tensor) -> int:
    """The address of the first element.

    A compiled function may move a tensor that it changes to memory of its own.
    """
    return _address(input._array(Need("x.data_ptr()")))


@method
def storage_offset(input: Tensor) -> int:
    """How many elements the first one is from the start of the memory of what ``input`` views."""
    need = Need("x.storage_offset()")
    whole = Tensor(input._storage)._array(need)
    return (_address(input._array(need)) - _address(whole)) // whole.itemsize


@method
def untyped_storage(input: Tensor) -> Any:
    """Refused: tensors show arrays, not PyTorch's storages.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "there are no storages: x.data_ptr() and x.storage_offset() say where elements are, "
        "x.nbytes how many bytes; x.numpy() shares the memory"
    )


storage = untyped_storage


@function
def is_storage(obj: object) -> bool:
    """False: there are no storages."""
    return False


@function
def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor of one axis that shares the memory of an object with Python's buffer protocol.

    Args:
        buffer: bytes, which can't be written to, a bytearray, an array, ...
        dtype: of the elements.
        count: how many; -1 for all that there are.
        offset: bytes before the first one.

    Raises:
        ValueError: for an empty buffer, and for one that ends too soon.
    """
    size, kind = memoryview(buffer).nbytes, as_dtype(dtype)
    if not size or not count:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be at least 0 and below {size}")
    if count < 0 and (size - offset) % kind.itemsize:
        raise ValueError(
            f"buffer length ({size} bytes) after offset ({offset} bytes) must be a multiple of "
            f"element size ({kind.itemsize})"
        )
    if offset + count * kind.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} "
            f"bytes) must not be greater than actual buffer length ({size} bytes)"
        )
    bytes_ = np.frombuffer(buffer, np.uint8, count * kind.itemsize if count > 0 else -1, offset)
    return from_shared(bytes_.view(kind.numpy)).requires_grad_(requires_grad)


@function
def typename(obj: Any, /) -> str:
    """The name of an object's type; of a tensor, as ``x.type()`` gives it."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None)
    plain = module in (None, "builtins", "__builtin__")
    return str(named.__qualname__) if plain else f"{module}.{named.__qualname__}"


# -- element by element ------------------------------------------------------------------------


def _need_no_grad(name: str, input: Tensor) -> None:
    if input.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on a tensor that requires grad: write x.detach().{name}(...)"
        )


@method
def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Each element becomes what a Python function makes of it, one after the other: slowly.

    Raises:
        RuntimeError: for a tensor that requires grad.
        ConcretizationError: in a compiled function.
    """
    _need_no_grad("apply_", input)
    values = input._array(Need("x.apply_()")).reshape(-1).tolist()
    return _filled(input, [callable(v) for v in values])


@method
def map_(input: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """``apply_`` of a function of two numbers: the second is of ``other``, broadcast.

    Raises:
        TypeError: for a tensor of another dtype.
        RuntimeError: as ``apply_``.
    """
    return _mapped("map_", input, (other,), callable)


@method
def map2_(input: Tensor, x: Tensor, y: Tensor, callable: Callable[..., Any]) -> Tensor:
    """``map_`` of a function of three numbers.

    Raises:
        TypeError, RuntimeError: as ``map_``.
    """
    return _mapped("map2_", input, (x, y), callable)


def _mapped(
    name: str, input: Tensor, others: tuple[Tensor, ...], function: Callable[..., Any]
) -> Tensor:
    need = Need(f"x.{name}()")
    for each in (input, *others):
        _need_no_grad(name, each)
        if each.dtype is not input.dtype:
            raise TypeError(f"{name}: expected a tensor of {input.dtype.name}, got {each.aval}")
    arrays = [t.expand(*input.shape)._array(need) for t in (input, *others)]
    columns = [a.reshape(-1).tolist() for a in arrays]
    return _filled(input, [function(*v) for v in zip(*columns, strict=True)])


def _filled(input: Tensor, values: list[Any]) -> Tensor:
    made = input.new_tensor(values) if values else input
    return input.copy_(made.reshape(input.aval.shape))

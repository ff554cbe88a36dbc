"""PyTorch's constructors of old: ``ng.Tensor(...)``, ``ng.FloatTensor(...)``, ``x.new(...)``.

Their arguments are data - a list, an array, a tensor - or sizes, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.frontend.defaults import default_dtype, set_default_dtype
from nngraph.frontend.devices import NO_DEVICE, as_device
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.variants import method
from nngraph.frontend.record import Handle
from nngraph.frontend.tensor import Size, Tensor
from nngraph.ir.dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "set_default_tensor_type",
]


def made_of(arguments: Sequence[Any], dtype: DType) -> Tensor:
    """A tensor of the dtype with this data, or of these sizes; without arguments, of no elements.

    Raises:
        TypeError: for what is neither.
        RuntimeError: for a negative size.
    """
    data = arguments[0] if arguments else []
    if isinstance(data, Size) or (arguments and all(type(n) is int for n in arguments)):
        return zeros(*arguments, dtype=dtype)
    if len(arguments) <= 1 and not isinstance(data, str | bytes):
        if isinstance(data, Tensor | np.ndarray | list | tuple):
            return tensor(data, dtype)
        if isinstance(data, Sequence):
            return tensor(list(data), dtype)
    raise TypeError(
        f"new(): data must be a sequence (got {type(data).__name__}), or all arguments sizes; "
        "ng.tensor(data) takes numbers, too"
    )


def _alias(data: Tensor) -> Tensor:
    """Another tensor of the same elements, with the same history."""
    return data.view(data.shape) if data.requires_grad else data.detach()


def _default(arguments: Sequence[Any]) -> Tensor:
    """``ng.Tensor(...)``: of the default dtype, but for a tensor, which keeps its own."""
    if len(arguments) == 1 and isinstance(arguments[0], Tensor):
        return _alias(arguments[0])
    return made_of(arguments, default_dtype())


Handle._made_of = staticmethod(_default)


def _of_dtype(arguments: Sequence[Any], dtype: DType) -> Tensor:
    """``made_of`` for what takes tensors of one dtype only, and shares their memory."""
    data = arguments[0] if len(arguments) == 1 else None
    if not isinstance(data, Tensor):
        return made_of(arguments, dtype)
    if data.dtype is not dtype:
        raise TypeError(
            f"expected a tensor of {dtype.name}, got one of {data.dtype.name}; write "
            f"x.to(ng.{dtype.name})"
        )
    return _alias(data)


@method
def new(input: Tensor, *args: Any, device: object = None) -> Tensor:
    """A tensor of the same dtype with this data, or of these sizes, which holds zeros.

    Raises:
        TypeError: for what is neither, and for a tensor of another dtype.
    """
    return _of_dtype(args, input.dtype)


class TensorType(type):
    """The kind of ``ng.FloatTensor`` and its relatives, one a dtype: tensors are instances.

    Called, they make a tensor; ``isinstance(x, ng.LongTensor)`` asks for its dtype.
    """

    dtype: DType
    is_cuda = False
    is_sparse = False

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], dtype: DType
    ) -> TensorType:
        made = super().__new__(cls, name, bases, namespace)
        made.dtype = dtype
        return made

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], dtype: DType
    ) -> None:
        super().__init__(name, bases, namespace)

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        if device is not None and as_device(device).type != "cpu":
            raise RuntimeError(f"legacy constructor expects device type: cpu. {NO_DEVICE}")
        return _of_dtype(args, cls.dtype)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'nngraph.{cls.__name__}'>"


class FloatTensor(metaclass=TensorType, dtype=float32):
    """Tensors of float32."""


class DoubleTensor(metaclass=TensorType, dtype=float64):
    """Tensors of float64."""


class HalfTensor(metaclass=TensorType, dtype=float16):
    """Tensors of float16."""


class BFloat16Tensor(metaclass=TensorType, dtype=bfloat16):
    """Tensors of bfloat16."""


class LongTensor(metaclass=TensorType, dtype=int64):
    """Tensors of int64."""


class IntTensor(metaclass=TensorType, dtype=int32):
    """Tensors of int32."""


class ShortTensor(metaclass=TensorType, dtype=int16):
    """Tensors of int16."""


class CharTensor(metaclass=TensorType, dtype=int8):
    """Tensors of int8."""


class ByteTensor(metaclass=TensorType, dtype=uint8):
    """Tensors of uint8."""


class BoolTensor(metaclass=TensorType, dtype=bool_):
    """Tensors of bools."""


_TYPES: dict[str, Any] = {
    each.__name__: each
    for each in (FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor, LongTensor)
} | {each.__name__: each for each in (IntTensor, ShortTensor, CharTensor, ByteTensor, BoolTensor)}
_NAMES: dict[DType, str] = {each.dtype: name for name, each in _TYPES.items()}


def dtype_of(named: Any) -> DType:
    """The dtype that ``x.type(named)`` asks for: a dtype, a type of tensors, or the name of one.

    Raises:
        ValueError: for a name of none.
        TypeError: for what is none of these.
        RuntimeError: for a type of tensors on another device.
    """
    if isinstance(named, DType):
        return named
    if named is Tensor:
        return default_dtype()
    if isinstance(named, TensorType):
        return named.dtype
    name = repr(named)[8:-2] if isinstance(named, type) else named
    if not isinstance(name, str):
        raise TypeError(f"dtype must be a type, str, or dtype object, not {named!r}")
    package, _, kind = name.partition(".")
    if package in ("torch", "nngraph") and kind in _TYPES:
        return dtype_of(_TYPES[kind])
    if kind.startswith(("cuda.", "xpu.")):
        raise RuntimeError(f"no type {name}: tensors are on the CPU; write ng.{kind[5:]}")
    raise ValueError(f"invalid type: {name!r}; as ng.float32, ng.FloatTensor, 'torch.FloatTensor'")


def type_name(dtype: DType) -> str:
    """PyTorch's name of the tensors of a dtype."""
    return f"torch.{_NAMES.get(dtype) or dtype.name.replace('uint', 'UInt') + 'Tensor'}"


def set_default_tensor_type(t: Any, /) -> None:
    """``set_default_dtype`` by a type of tensors, or its name.

    Raises:
        TypeError: for another one than those of floating point dtypes.
    """
    try:
        dtype = None if isinstance(t, DType) else dtype_of(t)
    except (RuntimeError, ValueError) as error:
        raise TypeError(str(error)) from None
    if dtype is None:
        raise TypeError(f"invalid type object: wanted a type as ng.DoubleTensor, got {t!r}")
    set_default_dtype(dtype)

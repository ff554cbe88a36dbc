"""PyTorch's type promotion (``torch.result_type``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.host import in_graph, is_host_number
from nngraph.frontend.limits import finfo, iinfo
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Number, Operand, Tensor
from nngraph.ir.dtypes import DType, Kind, as_dtype, bool_, float32, int16, int32, int64, uint8
from nngraph.ops.creation import full
from nngraph.ops.elementwise import cast

__all__ = [
    "as_float",
    "as_number",
    "as_tensor_like",
    "check_cast",
    "counted",
    "filler",
    "is_number",
    "is_safe_cast",
    "need_alpha",
    "need_fit",
    "promote_types",
    "promoted",
    "result_type",
]

_RANK = {Kind.BOOL: 0, Kind.UINT: 1, Kind.INT: 1, Kind.FLOAT: 2}


def is_number(value: object) -> bool:
    """True for Python and NumPy numbers, and for sizes."""
    return isinstance(value, bool | int | float | np.generic | SymInt)


def promote_types(type1: DType, type2: DType) -> DType:
    """The dtype that holds both (PyTorch's table)."""
    if type1 is type2:
        return type1
    if _RANK[type1.kind] != _RANK[type2.kind]:
        return type1 if _RANK[type1.kind] > _RANK[type2.kind] else type2
    if type1.kind is Kind.FLOAT:
        return float32 if type1.bits == type2.bits else type1 if type1.bits > type2.bits else type2
    if type1.kind is type2.kind:
        return type1 if type1.bits > type2.bits else type2
    signed, unsigned = (type1, type2) if type1.kind is Kind.INT else (type2, type1)
    if unsigned is uint8:
        return int16 if signed.bits == 8 else signed
    if signed.bits > unsigned.bits:
        return signed
    return {16: int32}.get(unsigned.bits, int64)


def is_safe_cast(source: DType, target: DType) -> bool:
    """True if an in-place result of type ``source`` may be stored as ``target``."""
    return _RANK[source.kind] <= _RANK[target.kind]


def check_cast(source: DType, target: DType) -> None:
    """Refuses to store a result of a higher kind than what it is written to.

    Raises:
        RuntimeError: naming both types.
    """
    if not is_safe_cast(source, target):
        raise RuntimeError(
            f"result type {source.name} can't be cast to the desired output type "
            f"{target.name}; write x = x.op(...) to get a tensor of the result's type"
        )


def _default(value: Number | np.generic) -> DType:
    if isinstance(value, bool | np.bool_):
        return bool_
    return int64 if isinstance(value, int | np.integer | SymInt) else default_dtype()


def result_type(*operands: Operand) -> DType:
    """The dtype of an operation: tensors with axes win over 0-d tensors, these over numbers.

    Within a lower priority only a higher category (bool < integer < floating point) counts.
    """
    levels: list[DType | None] = [None, None, None]  # tensors with axes, 0-d tensors, numbers
    for value in operands:
        if isinstance(value, Tensor):
            level, kind = (0 if value.ndim else 1), value.dtype
        else:
            level, kind = 2, _default(value)
        known = levels[level]
        levels[level] = kind if known is None else promote_types(known, kind)
    result: DType | None = None
    for kind_of_level in levels:
        if kind_of_level is None:
            continue
        if result is None or _RANK[kind_of_level.kind] > _RANK[result.kind]:
            result = kind_of_level
    assert result is not None, "result_type needs an operand"
    return result


def as_tensor_like(value: Operand | SymInt, dtype: DType, like: Tensor) -> Tensor:
    """``value`` as a tensor of ``dtype``: numbers become 0-d constants."""
    if is_host_number(value):
        value = in_graph(value)
    if isinstance(value, Tensor):
        return value if value.dtype is dtype else cast(value, dtype)
    if isinstance(value, SymInt):
        size: Tensor = value.tensor()
        return cast(size, dtype)
    return full(as_number(value, dtype), dtype, (), like)


def as_number(value: Any, dtype: DType) -> Any:
    """A Python number as an element of ``dtype``: cast as C casts it."""
    number: Any = value.item() if isinstance(value, np.generic) else value
    if dtype.kind is Kind.BOOL:
        return bool(number)
    return _wrapped(int(number), dtype) if dtype.is_integer else number


def _wrapped(number: int, dtype: DType) -> int:
    """The number as C casts it: whole turns of the type's range are dropped."""
    if not -(2**63) <= number < 2**64:
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
    number %= 2**dtype.bits
    return number - 2**dtype.bits if dtype.kind is Kind.INT and number >> dtype.bits - 1 else number


def filler(value: Operand, dtype: DType, like: Tensor) -> Tensor:
    """``as_tensor_like`` for functions that write a number as it is.

    Raises:
        RuntimeError: for a number that the dtype cannot hold.
    """
    if not isinstance(value, Tensor):
        need_fit(value, dtype)
    return as_tensor_like(value, dtype, like)


def need_alpha(x: Any, alpha: Any) -> None:
    """Refuses a float factor of integers; one that is a tensor stands for its number.

    Raises:
        RuntimeError: for one.
        TypeError: for a tensor with axes, or that requires a gradient.
    """
    if isinstance(alpha, Tensor) and (alpha.ndim or alpha.requires_grad):
        raise TypeError(
            "alpha and value must be a number, or a tensor without axes that requires no gradient, "
            f"got {alpha.aval}{' with requires_grad' if alpha.requires_grad else ''}: write the "
            "product and the sum"
        )
    is_tensor = isinstance(alpha, Tensor)
    broken = alpha.dtype.is_floating_point if is_tensor else isinstance(alpha, float)
    if broken and not x.dtype.is_floating_point:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )


def need_fit(number: Any, dtype: DType) -> None:
    """Refuses a number beyond a dtype's range; a negative one may wrap to an unsigned type.

    Raises:
        RuntimeError: naming the dtype.
    """
    if dtype.kind is Kind.BOOL or isinstance(number, SymInt) or is_host_number(number):
        return
    number = number.item() if isinstance(number, np.generic) else number
    if dtype.is_floating_point:
        limit = finfo(dtype).max
        fits = math.isinf(number) or not abs(number) > limit
    else:
        low, high = iinfo(dtype).min, iinfo(dtype).max
        fits = (low or -high) <= number <= high  # NaN does not
    if not fits:
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def promoted(*operands: Operand, at_least: DType | None = None) -> list[Tensor]:
    """All operands as tensors of their common dtype.

    Args:
        operands: tensors and numbers, at least one tensor.
        at_least: used instead where the common dtype is no floating point type.

    Raises:
        TypeError: if an operand is neither tensor nor number.
    """
    for position, value in enumerate(operands):
        if not isinstance(value, Tensor) and not is_number(value):
            raise TypeError(
                f"operand {position} is {type(value).__name__}; it must be a Tensor or a number "
                "(make a tensor with ng.tensor(...))"
            )
    dtype = result_type(*operands)
    if at_least is not None and not dtype.is_floating_point:
        dtype = at_least
    like = next(v for v in operands if isinstance(v, Tensor))
    return [as_tensor_like(v, dtype, like) for v in operands]


def as_float(tensor: Tensor) -> Tensor:
    """The tensor itself if its dtype is a floating point type, else as the default dtype."""
    return tensor if tensor.dtype.is_floating_point else cast(tensor, default_dtype())


def counted(tensor: Tensor, dtype: DType | None) -> Tensor:
    """As ``dtype``; without one, integers and bools as int64, in which they are summed."""
    if dtype is not None:
        return tensor.to(as_dtype(dtype))
    return tensor if tensor.dtype.is_floating_point else tensor.to(int64)

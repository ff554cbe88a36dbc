"""Values all of whose elements are one known number."""

from __future__ import annotations

import math

import numpy as np

from nngraph.ir.graph import Value
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ops import Constant, Full, constant, full

__all__ = ["SPLATS", "emit", "is_number", "number_of", "splat_of"]

#: The operators that ``splat_of`` sees through.
SPLATS = (Constant, Full)


def splat_of(value: Value) -> Array | None:
    """The number that fills ``value``, as an array of rank 0; None if it is not known to be one."""
    op = value.producer.op if value.producer is not None else None
    if isinstance(op, Full):
        return np.asarray(op.value, op.dtype.numpy)
    if isinstance(op, Constant) and op.literal.array.size == 1:
        return op.literal.array.reshape(())
    return None


def number_of(value: Value) -> float | int | bool | None:
    """``splat_of`` as a Python number."""
    splat = splat_of(value)
    return None if splat is None else splat.item()


def is_number(found: float | int | bool | None, wanted: float | int | bool) -> bool:
    """True if both are the same number, of the same sign even if zero; bool only equals bool."""
    if found is None or isinstance(found, bool) is not isinstance(wanted, bool):
        return False
    return found == wanted and math.copysign(1, found) == math.copysign(1, wanted)


def emit(array: Array, kind: TensorType, like: Value) -> Value:
    """An operator without inputs that makes ``array`` broadcast to ``kind``'s shape.

    ``full`` where one number fills it and Python can say which one, a literal otherwise.
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    first = flat[:1] if flat.size else np.zeros(1, array.dtype)
    number = first[0].item()
    says = np.asarray(number, array.dtype).tobytes() == first.tobytes()
    if says and first.tobytes() * flat.size == flat.tobytes():
        return full(number, kind.dtype, kind.shape, like)
    if type_of_array(array) != kind:
        array = np.broadcast_to(array, kind.static_shape)
    return constant(array, like)

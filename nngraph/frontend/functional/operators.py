"""Python's operators on tensors: each is a function of the other files, or its reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nngraph.frontend.functional.access import write_result
from nngraph.frontend.functional.arithmetic import (
    add,
    div,
    floor_divide,
    mul,
    neg,
    positive,
    pow,
    remainder,
    rsub,
    sub,
)
from nngraph.frontend.functional.comparison import eq, ge, gt, le, lt, ne
from nngraph.frontend.functional.indexing import getitem, setitem
from nngraph.frontend.functional.linalg import matmul
from nngraph.frontend.functional.logic import (
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from nngraph.frontend.functional.pointwise import abs
from nngraph.frontend.functional.variants import plain_of
from nngraph.frontend.precision.casting import uncast
from nngraph.frontend.promotion import is_number
from nngraph.frontend.tensor import Operand, Tensor

__all__ = ["OPERATORS"]


def _reversed(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``other OP input`` for an operand that is no tensor."""
    compute = plain_of(function)

    def operate(input: Tensor, other: Operand) -> Tensor:
        result: Tensor = compute(other, input)
        return result

    operate.__name__ = operate.__qualname__ = name
    return operate


def _in_place(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    compute = uncast(plain_of(function))

    def operate(input: Tensor, other: Operand) -> Tensor:
        return write_result(input, compute(input, other))

    operate.__name__ = operate.__qualname__ = name
    return operate


def _comparing(name: str, function: Callable[..., Tensor]) -> Callable[..., Any]:
    """A comparison that leaves operands which are neither tensors nor numbers to Python."""
    compute = plain_of(function)

    def operate(input: Tensor, other: object) -> Any:
        if isinstance(other, Tensor) or is_number(other):
            return compute(input, other)
        return NotImplemented

    operate.__name__ = operate.__qualname__ = name
    return operate


def iterate(input: Tensor) -> Iterator[Tensor]:
    """The slices along the first dimension."""
    if not input.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(input[i] for i in range(len(input)))


_SAME: dict[str, Callable[..., Any]] = {
    "__add__": add,
    "__radd__": add,
    "__sub__": sub,
    "__rsub__": rsub,
    "__mul__": mul,
    "__rmul__": mul,
    "__truediv__": div,
    "__floordiv__": floor_divide,
    "__mod__": remainder,
    "__pow__": pow,
    "__matmul__": matmul,
    "__neg__": neg,
    "__pos__": positive,
    "__abs__": abs,
    "__invert__": bitwise_not,
    "__and__": bitwise_and,
    "__rand__": bitwise_and,
    "__or__": bitwise_or,
    "__ror__": bitwise_or,
    "__xor__": bitwise_xor,
    "__rxor__": bitwise_xor,
    "__lshift__": bitwise_left_shift,
    "__rshift__": bitwise_right_shift,
    "__lt__": lt,
    "__le__": le,
    "__gt__": gt,
    "__ge__": ge,
}

_REVERSED: dict[str, Callable[..., Any]] = {
    "__rtruediv__": div,
    "__rfloordiv__": floor_divide,
    "__rmod__": remainder,
    "__rpow__": pow,
    "__rlshift__": bitwise_left_shift,
    "__rrshift__": bitwise_right_shift,
}

_IN_PLACE: dict[str, Callable[..., Any]] = {
    "__iadd__": add,
    "__isub__": sub,
    "__imul__": mul,
    "__itruediv__": div,
    "__ifloordiv__": floor_divide,
    "__imod__": remainder,
    "__ipow__": pow,
    "__iand__": bitwise_and,
    "__ior__": bitwise_or,
    "__ixor__": bitwise_xor,
    "__ilshift__": bitwise_left_shift,
    "__irshift__": bitwise_right_shift,
}

#: Every special method of ``Tensor`` that computes, by name.
OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: plain_of(function) for name, function in _SAME.items()},
    **{name: _reversed(name, function) for name, function in _REVERSED.items()},
    **{name: _in_place(name, function) for name, function in _IN_PLACE.items()},
    "__eq__": _comparing("__eq__", eq),
    "__ne__": _comparing("__ne__", ne),
    "__getitem__": getitem,
    "__setitem__": setitem,
    "__iter__": iterate,
}

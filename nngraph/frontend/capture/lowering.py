"""Functions of Python's numbers as operators on tensors without axes.

A float is float64, an integer int64, a bool bool; division and remainder round as Python's do.
What Python's integers do beyond 64 bits, int64 does not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from nngraph.frontend.capture.functions import Again, real_of
from nngraph.frontend.capture.paths import choose
from nngraph.frontend.errors import TraceError
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, bool_, float64, int64

__all__ = ["NotInGraph", "Table", "dtype_of", "lowered", "number_as"]


class NotInGraph(TraceError):
    """What Python computes with its numbers and no graph does."""


@dataclass(frozen=True)
class Table:
    """A function of the numbers 0, 1, ... by its values."""

    values: tuple[float, ...]

    def __call__(self, position: int) -> float:
        return self.values[position]


def dtype_of(value: Any) -> DType:
    """The dtype of a number of Python's."""
    if isinstance(value, bool | np.bool_):
        return bool_
    return int64 if isinstance(value, int | np.integer) else float64


def number_as(value: Any, dtype: DType | None = None) -> Tensor:
    """A number, or a tensor, as a tensor of a dtype (its own, if none is given)."""
    wanted = dtype or (value.dtype if isinstance(value, Tensor) else dtype_of(value))
    if not isinstance(value, Tensor):
        return tensor(value, wanted)
    if value.dtype is wanted:
        return value
    return value != 0 if wanted is bool_ else value.to(wanted)


def lowered(function: Callable[..., Any], args: Sequence[Any], value: Any) -> Any:
    """``function(*args)`` as a tensor.

    Args:
        function: of numbers.
        args: tensors without axes, and numbers.
        value: the number that it gives in this trace; only its type counts.

    Raises:
        NotInGraph: if there is no operator for it.
    """
    rule = _rule(function, args)
    if rule is None:
        name = getattr(function, "function", function)
        shown = getattr(name, "__qualname__", type(name).__name__)
        raise NotInGraph(f"no graph computes {shown} of Python's numbers")
    found = rule(*args)
    return number_as(found, dtype_of(value))


def _rule(function: Any, args: Sequence[Any]) -> Callable[..., Any] | None:
    if isinstance(function, Table):
        return _at(function)
    if isinstance(function, Again):
        plain = all(size is None for size in function.sizes)
        found = real_of(function.function)
        if found in (min, max):
            return lambda *numbers: reduce(_EXTREMES[found], numbers)
        return _rule(found, args) if plain and not function.names else None
    if isinstance(function, np.ufunc):
        return _named(function.__name__, args)
    name = getattr(function, "__name__", "")
    if getattr(math, name, None) is function and function not in _RULES:
        return _named(name, args)
    return None if function is round and len(args) > 1 else _RULES.get(function)


def _at(table: Table) -> Callable[..., Any]:
    """A step that the table does not have fails the run."""
    values = tensor(list(table.values), float64)
    return lambda n: values.index_select(0, number_as(n, int64).reshape(1)).reshape(())


def _named(name: str, args: Sequence[Any]) -> Callable[..., Any] | None:
    """A function of floats by the name that it has in ``math``."""
    if len(args) == 2 and name in _OF_TWO:
        return _floats(_OF_TWO[name])
    if len(args) == 1 and name in _OF_ONE:
        return _floats(operator.methodcaller(_OF_ONE[name]))
    return None


# -- operands ----------------------------------------------------------------------------------
def _floats(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: rule(*(number_as(a, float64) for a in args))


def _integers(x: Any) -> Any:
    return number_as(x, int64)


def _kind(x: Any) -> DType:
    return x.dtype if isinstance(x, Tensor) else dtype_of(x)


def _alike(rule: Callable[..., Any], bools: bool = False) -> Callable[..., Any]:
    """On operands of one dtype: float64 if one of them is, else int64 (or bool)."""

    def operate(*args: Any) -> Any:
        kinds = {_kind(a) for a in args}
        wanted = float64 if float64 in kinds else int64
        if bools and kinds == {bool_}:
            wanted = bool_
        return rule(*(number_as(a, wanted) for a in args))

    return operate


def _never_zero(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A division of integers on a way that no call goes must not fail."""

    def operate(a: Any, b: Any) -> Any:
        safe = b if b.dtype is float64 else where(b == 0, number_as(1, b.dtype), b)
        return rule(a, safe)

    return _alike(operate)


def _power(a: Any, b: Any) -> Any:
    return number_as(a, float64).pow(number_as(b, float64))


def _chosen(condition: Any, yes: Any, no: Any) -> Any:
    pick = _alike(lambda a, b: where(number_as(condition, bool_), a, b), bools=True)
    return pick(yes, no)


def _extreme(less: Callable[..., Any]) -> Callable[..., Any]:
    """The first of equal ones, as Python has it."""
    return _alike(lambda a, b: where(less(b, a), b, a))


def _compare(name: str) -> Callable[..., Any]:
    return _alike(lambda a, b: getattr(a, name)(b))


_EXTREMES = {min: _extreme(lambda b, a: b < a), max: _extreme(lambda b, a: b > a)}

#: Functions of a float, and the methods of tensors that compute them.
_OF_ONE = {
    name: name
    for name in (
        *("sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "exp2"),
        *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
        *("asinh", "acosh", "atanh", "erf", "erfc", "floor", "ceil", "trunc", "isnan", "isinf"),
        *("isfinite", "sign"),
    )
} | {"fabs": "abs", "absolute": "abs", "negative": "neg", "square": "square", "rint": "round"}
_OF_TWO: dict[str, Callable[..., Any]] = {
    "pow": lambda a, b: a.pow(b),
    "power": lambda a, b: a.pow(b),
    "fmod": lambda a, b: a.fmod(b),
    "hypot": lambda a, b: a.hypot(b),
    "atan2": lambda a, b: a.atan2(b),
    "arctan2": lambda a, b: a.atan2(b),
    "copysign": lambda a, b: a.copysign(b),
    "log": lambda a, b: a.log() / b.log(),
    "minimum": lambda a, b: a.minimum(b),
    "maximum": lambda a, b: a.maximum(b),
}
#: What gives integers of floats.
_ROUNDED = {
    math.floor: _alike(lambda x: x.floor()),
    math.ceil: _alike(lambda x: x.ceil()),
    math.trunc: _alike(lambda x: x.trunc()),
}
_RULES: dict[Any, Callable[..., Any]] = {
    choose: _chosen,
    operator.add: _alike(lambda a, b: a + b),
    operator.sub: _alike(lambda a, b: a - b),
    operator.mul: _alike(lambda a, b: a * b),
    operator.truediv: _floats(lambda a, b: a / b),
    operator.floordiv: _never_zero(lambda a, b: a.floor_divide(b)),
    operator.mod: _never_zero(lambda a, b: a.remainder(b)),
    pow: _power,
    operator.and_: _alike(lambda a, b: a & b, bools=True),
    operator.or_: _alike(lambda a, b: a | b, bools=True),
    operator.xor: _alike(lambda a, b: a ^ b, bools=True),
    operator.lshift: lambda a, b: _integers(a) << _integers(b),
    operator.rshift: lambda a, b: _integers(a) >> _integers(b),
    operator.neg: _alike(lambda a: -a),
    operator.pos: _alike(lambda a: a),
    **dict.fromkeys((abs, operator.abs), _alike(lambda a: a.abs())),
    operator.invert: lambda a: ~_integers(a),
    round: _alike(lambda a: a.round()),
    float: lambda a: a,
    int: lambda a: number_as(a, float64).trunc() if _kind(a) is float64 else a,
    bool: lambda a: a,
    **{getattr(operator, short): _compare(short) for short in ("eq", "ne", "lt", "le", "gt", "ge")},
    **_ROUNDED,
}

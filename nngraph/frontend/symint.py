"""Sizes that are known only when a graph runs, as users see them in ``x.shape``."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.host import is_host_number, settled
from nngraph.frontend.tape import apply
from nngraph.ir.attributes import attributes
from nngraph.ir.dims import Dim, SymDim, floordiv, is_nonnegative, maximum, minimum
from nngraph.ir.dtypes import float64
from nngraph.ir.op import Op
from nngraph.ops.creation import Extent
from nngraph.ops.elementwise import cast

__all__ = ["SymInt", "dim_of", "dims_of", "size_of", "sym_max", "sym_min", "with_dims"]


class SymInt:
    """A size that is known only when the graph runs (``torch.SymInt``).

    Sums, differences, products and ``//`` by numbers are sizes again, for ``reshape``, ``expand``,
    slices and new tensors. In arithmetic with tensors and floats it is an integer of no axes. What
    asks for the number itself - ``if``, ``range``, ``int`` - raises, unless the answer is the same
    for all sizes.

    Attributes:
        dim: the expression, as the graph has it.
    """

    __slots__ = ("dim",)
    __array_ufunc__ = None

    def __init__(self, dim: SymDim) -> None:
        self.dim = dim

    def tensor(self) -> Any:
        """The size as an int64 tensor without axes."""
        return apply(Extent(self.dim), ())[0]

    # -- arithmetic ------------------------------------------------------------------------
    def _with(self, other: object, compute: Callable[[Any, Any], Any], swap: bool = False) -> Any:
        """``compute`` of the expressions, of tensors where the other one is a float."""
        if isinstance(other, bool | int | np.integer | SymInt):
            pair = self.dim, (other.dim if isinstance(other, SymInt) else int(other))
            try:
                return size_of(compute(*(pair[::-1] if swap else pair)))
            except ValueError:
                self._refuse(f"a quotient of {pair[swap]} by {pair[not swap]}")
        return self._as_number(other, compute, swap)

    def _as_number(
        self, other: object, compute: Callable[[Any, Any], Any], swap: bool = False
    ) -> Any:
        if isinstance(other, bool | int | float | np.generic | SymInt):
            pair = (
                cast(self.tensor(), float64),
                (cast(other.tensor(), float64) if isinstance(other, SymInt) else other),
            )
            return compute(*(pair[::-1] if swap else pair))
        return NotImplemented

    def __add__(self, other: object) -> Any:
        return self._with(other, operator.add)

    def __sub__(self, other: object) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: object) -> Any:
        return self._with(other, operator.sub, swap=True)

    def __mul__(self, other: object) -> Any:
        return self._with(other, operator.mul)

    def __floordiv__(self, other: object) -> Any:
        return self._with(other, floordiv)

    def __rfloordiv__(self, other: object) -> Any:
        return self._with(other, floordiv, swap=True)

    def __mod__(self, other: object) -> Any:
        return self._with(other, lambda a, b: a - floordiv(a, b) * b)

    def __rmod__(self, other: object) -> Any:
        return self._with(other, lambda a, b: a - floordiv(a, b) * b, swap=True)

    def __divmod__(self, other: object) -> Any:
        return self // other, self % other

    def __truediv__(self, other: object) -> Any:
        return self._as_number(other, operator.truediv)

    def __rtruediv__(self, other: object) -> Any:
        return self._as_number(other, operator.truediv, swap=True)

    def __pow__(self, other: object) -> Any:
        if isinstance(other, int) and other >= 0:
            result: Any = 1
            for _ in range(other):
                result = result * self
            return result
        return self._as_number(other, operator.pow)

    def __rpow__(self, other: object) -> Any:
        return self._as_number(other, operator.pow, swap=True)

    def __neg__(self) -> Any:
        return size_of(-self.dim)

    def __pos__(self) -> SymInt:
        return self

    def __abs__(self) -> Any:
        return size_of(maximum(self.dim, -self.dim))

    __radd__, __rmul__ = __add__, __mul__

    # -- questions -------------------------------------------------------------------------
    def _compare(self, other: object, holds: Callable[[Dim], bool | None], sign: str) -> Any:
        """``holds`` says of ``self - other`` whether something is so; None if it depends."""
        if isinstance(other, float) and other.is_integer():
            other = int(other)
        if not isinstance(other, bool | int | np.integer | SymInt):
            return NotImplemented
        number = other.dim if isinstance(other, SymInt) else int(other)
        answer = holds(self.dim - number)
        return self._refuse(f"{self} {sign} {other}") if answer is None else answer

    def __eq__(self, other: object) -> Any:
        return self._compare(other, lambda d: _is_zero(d), "==")

    def __ne__(self, other: object) -> Any:
        return self._compare(other, lambda d: _not(_is_zero(d)), "!=")

    def __lt__(self, other: object) -> Any:
        return self._compare(other, lambda d: _not(_is_at_least(d, 0)), "<")

    def __le__(self, other: object) -> Any:
        return self._compare(other, lambda d: _not(_is_at_least(d, 1)), "<=")

    def __gt__(self, other: object) -> Any:
        return self._compare(other, lambda d: _is_at_least(d, 1), ">")

    def __ge__(self, other: object) -> Any:
        return self._compare(other, lambda d: _is_at_least(d, 0), ">=")

    def __bool__(self) -> bool:
        zero = _is_zero(self.dim)
        return self._refuse(f"bool({self})") if zero is None else not zero

    def __hash__(self) -> int:
        return hash(self.dim)

    def __index__(self) -> int:
        return self._refuse(f"the number {self} itself (int, range, a loop, an index)")

    __int__ = __index__

    def __float__(self) -> float:
        return self._refuse(f"float({self}) (math.sqrt and the like)")

    def _refuse(self, what: str) -> NoReturn:
        raise size_is_unknown(what, self.dim)

    def __str__(self) -> str:
        return str(self.dim)

    __repr__ = __str__


def _is_zero(value: Dim) -> bool | None:
    if isinstance(value, int):
        return value == 0
    return False if is_nonnegative(value - 1) or is_nonnegative(-1 - value) else None


def _is_at_least(value: Dim, least: int) -> bool | None:
    if is_nonnegative(value - least):
        return True
    return False if is_nonnegative(least - 1 - value) else None


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def size_of(value: Dim) -> Any:
    """A dimension of a type as a user sees it: an ``int`` or a ``SymInt``."""
    return SymInt(value) if isinstance(value, SymDim) else value


def dim_of(value: Any) -> Dim:
    """A size that a user gave as a dimension of a type.

    Raises:
        TypeError: if it is no integer.
    """
    if isinstance(value, SymInt):
        return value.dim
    return value if isinstance(value, SymDim) else operator.index(value)


def dims_of(values: Sequence[Any]) -> tuple[Dim, ...]:
    """``dim_of`` each."""
    return tuple(map(dim_of, values))


def with_dims(op: Op) -> Op:
    """The operator with plain attributes: a user's size is its dimension there, and a number that
    lives in Python what it is in this trace, which is traced again when that changes.
    """
    found = {name: _without(value) for name, value in attributes(op)}
    changed = any(found[name] is not value for name, value in attributes(op))
    return dataclasses.replace(op, **found) if changed else op


def _without(value: Any) -> Any:
    if isinstance(value, tuple):
        plain = tuple(map(_without, value))
        return plain if any(a is not b for a, b in zip(plain, value, strict=True)) else value
    if is_host_number(value):
        return settled(value, "an operator that keeps the number")
    return value.dim if isinstance(value, SymInt) else value


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two sizes, also of such as are known only when the graph runs."""
    return size_of(maximum(dim_of(a), dim_of(b)))


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two sizes, also of such as are known only when the graph runs."""
    return size_of(minimum(dim_of(a), dim_of(b)))

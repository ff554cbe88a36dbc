"""Numbers that live in Python between calls: learning rates, betas, counters.

While tracing, such a number is a ``HostNumber``: it computes with Python's own operators, as the
number that it stands for would, and what was computed is done again by each call, before its graph
runs. Where a tensor meets it, it becomes a scalar of the graph. So the n-th call computes what
Python would compute then, to the last bit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from nngraph.frontend.world import world

__all__ = [
    "AS_TEXT",
    "HostNumber",
    "HostProgram",
    "as_float",
    "call",
    "concrete",
    "distance",
    "cosine",
    "guarded",
    "host_number",
    "in_graph",
    "is_host_number",
    "settled",
]


#: What asks for a number to show it.
AS_TEXT = "print() or a text"


class HostProgram(Protocol):
    """What a trace says about the numbers of Python that later calls will have."""

    def compute(
        self, function: Callable[..., Any], args: Sequence[Any], varies: bool = False
    ) -> HostNumber:
        """What each call computes: ``function(*args)``, of numbers and host numbers.

        ``varies`` says that the type of the result depends on more than the types of these.
        """
        ...

    def settle(self, number: HostNumber, what: str) -> Any:
        """The number of this trace, for code that depends on it.

        Raises:
            ConcretizationError: if the traced code itself changes it.
        """
        ...

    def decide(self, number: HostNumber, what: str) -> Any:
        """The truth of a number, for code that goes one way or another; else as ``settle``."""
        ...

    def call(self, function: Callable[[Any], Any], number: HostNumber) -> Any:
        """``function(number)``, of a function of numbers."""
        ...

    def scalar(self, number: HostNumber) -> Any:
        """The number as a tensor without axes."""
        ...


def _binary(function: Callable[..., Any]) -> Any:
    def operate(self: HostNumber, *others: Any) -> Any:
        if not all(map(_is_number, others)):
            return NotImplemented
        args = (self, *others)
        return self._program.compute(function, args, _varies(function, args))

    return operate


def _reversed(function: Callable[..., Any]) -> Any:
    def operate(self: HostNumber, other: Any) -> Any:
        if not _is_number(other):
            return NotImplemented
        args = (other, self)
        return self._program.compute(function, args, _varies(function, args))

    return operate


def _varies(function: Callable[..., Any], args: Sequence[Any]) -> bool:
    """``2 ** n`` is an integer for some integers and a float for others."""
    return function is pow and all(isinstance(a, int | np.integer) for a in args)


def _moved(function: Callable[..., Any], swap: bool = False) -> Any:
    """Sums and differences, which know how far they are from where they began."""
    compute = (_reversed if swap else _binary)(function)
    sign = -1 if function is operator.sub else 1

    def operate(self: HostNumber, other: Any) -> Any:
        made = compute(self, other)
        if type(other) is int and type(self._value) is int:
            base, offset = self._base or (self, 0)
            made._base = base, offset + sign * other
        return made

    return operate


def _quotient(program: HostProgram, args: Sequence[Any]) -> tuple[HostNumber, HostNumber]:
    return program.compute(operator.floordiv, args), program.compute(operator.mod, args)


def _divmod(self: HostNumber, other: Any) -> Any:
    return _quotient(self._program, (self, other)) if _is_number(other) else NotImplemented


def _rdivmod(self: HostNumber, other: Any) -> Any:
    return _quotient(self._program, (other, self)) if _is_number(other) else NotImplemented


def _unary(function: Callable[..., Any]) -> Any:
    def operate(self: HostNumber, *args: Any) -> Any:
        return self._program.compute(function, (self, *args))

    return operate


def _settled(function: Callable[..., Any], what: str) -> Any:
    def operate(self: HostNumber, *args: Any) -> Any:
        return function(self._program.settle(self, what), *args)

    return operate


class HostNumber:
    """A number of Python's that each call of the traced code finds or computes anew.

    For ``isinstance`` it is what it stands for. It is none of Python's own numbers, so that code
    which needs the number itself - ``if``, ``range``, an index - has to ask for it.

    Attributes:
        _base: another number and how much larger this one is, where that is known.
        _program: what it belongs to.
        _slot: its position there, or where it is read once it is needed.
        _value: the number in this trace.
    """

    __slots__ = ("_base", "_program", "_slot", "_value")
    _slot: Any

    def __init__(self, program: HostProgram, slot: Any, value: Any) -> None:
        self._base: tuple[HostNumber, int] | None = None
        self._program = program
        self._slot = slot
        self._value = value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._value)

    __add__, __radd__ = _moved(operator.add), _moved(operator.add, swap=True)
    __sub__, __rsub__ = _moved(operator.sub), _reversed(operator.sub)
    __mul__, __rmul__ = _binary(operator.mul), _reversed(operator.mul)
    __truediv__, __rtruediv__ = _binary(operator.truediv), _reversed(operator.truediv)
    __floordiv__, __rfloordiv__ = _binary(operator.floordiv), _reversed(operator.floordiv)
    __mod__, __rmod__ = _binary(operator.mod), _reversed(operator.mod)
    __pow__, __rpow__ = _binary(pow), _reversed(pow)
    __divmod__, __rdivmod__ = _divmod, _rdivmod
    __and__, __rand__ = _binary(operator.and_), _reversed(operator.and_)
    __or__, __ror__ = _binary(operator.or_), _reversed(operator.or_)
    __xor__, __rxor__ = _binary(operator.xor), _reversed(operator.xor)
    __lshift__, __rlshift__ = _binary(operator.lshift), _reversed(operator.lshift)
    __rshift__, __rrshift__ = _binary(operator.rshift), _reversed(operator.rshift)
    __eq__, __ne__ = _binary(operator.eq), _binary(operator.ne)
    __lt__, __le__ = _binary(operator.lt), _binary(operator.le)
    __gt__, __ge__ = _binary(operator.gt), _binary(operator.ge)
    __invert__ = _unary(operator.invert)
    __neg__, __pos__, __abs__ = _unary(operator.neg), _unary(operator.pos), _unary(operator.abs)
    __round__, __floor__, __ceil__ = _unary(round), _unary(math.floor), _unary(math.ceil)
    __trunc__ = _unary(math.trunc)

    def __bool__(self) -> bool:
        return bool(self._program.decide(self, "if, and, or, not or bool()"))

    __float__ = _settled(float, "code that takes a float")
    __int__ = _settled(int, "code that takes an integer")
    __index__ = _settled(operator.index, "range(), an index or a size")
    __str__ = _settled(str, AS_TEXT)
    __format__ = _settled(format, AS_TEXT)
    __hash__ = _settled(hash, "a key")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or not all(map(_is_number, inputs)):
            return NotImplemented
        return self._program.compute(ufunc, inputs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        if _is_number(found):  # n.real
            return self._program.compute(operator.attrgetter(name), (self,))
        if name.startswith("_") or not callable(found):
            return found

        def method(*args: Any) -> Any:
            call = operator.methodcaller(name, *args)
            if _is_number(call(self._value)):
                return self._program.compute(call, (self,))
            return call(self._program.settle(self, f".{name}()"))

        return method

    def __repr__(self) -> str:
        return f"<{self._value!r} in this trace>"


def is_host_number(value: object) -> bool:
    """True for a number that each call finds or computes anew."""
    return type(value) is HostNumber


def in_graph(number: Any) -> Any:
    """A host number as a tensor without axes."""
    return number._program.scalar(number)


def distance(a: Any, b: Any) -> int | None:
    """How much larger ``b`` is than ``a`` in every call; None where that is not known."""
    if not (is_host_number(a) and is_host_number(b)):
        return None
    (one, start), (other, stop) = a._base or (a, 0), b._base or (b, 0)
    return stop - start if one is other else None


def cosine(number: Any) -> Any:
    """The cosine of a number of Python's."""
    if is_host_number(number):
        return number._program.compute(math.cos, (number,))
    return math.cos(number)


def as_float(number: Any) -> Any:
    """``float(number)``; of a host number, a host number."""
    if is_host_number(number):
        return number._program.compute(float, (number,))
    return float(number)


def call(function: Callable[[Any], Any], number: Any) -> Any:
    """``function(number)`` of a function of numbers that knows nothing of host numbers."""
    return number._program.call(function, number) if is_host_number(number) else function(number)


def concrete(value: Any) -> Any:
    """The number in this trace, for what is made once; anything else is itself."""
    return value._value if type(value) is HostNumber else value


def settled(number: HostNumber, what: str) -> Any:
    """The number in this trace, which holds for calls in which it is the same.

    Raises:
        ConcretizationError: if the traced code itself changes it.
    """
    return number._program.settle(number, what)


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | complex | np.generic)


def host_number(table: dict[str, Any], key: str, name: str = "", index: int | None = None) -> Any:
    """``table[key]`` (or ``table[key][index]``) as code computes with it.

    Eagerly the Python number; while tracing a float64 scalar that every call of the compiled
    function reads from the table anew, so that changing it needs no new trace.
    """
    shown = name or (key if index is None else f"{key}_{index}")
    return world().number(table, key, index, shown)


def guarded(table: dict[str, Any], key: str, test: Any = None) -> Any:
    """``test(table[key])`` (default: the value itself) as a fact that shapes the code.

    While tracing it becomes a guard: a change traces the function again.
    """
    value = table[key]

    def fact(found: Any) -> Any:
        return found if test is None else test(found)

    known = fact(concrete(value))
    reason = f"optimizer option {key!r} changed"
    if is_host_number(value):
        value._program.rely(value, fact, known, reason)
    else:
        spot = ("option", id(table), key)
        what = f"optimizer option {key!r}"
        world().guard(spot, lambda: fact(table[key]) == known, reason, what=what)
    return known

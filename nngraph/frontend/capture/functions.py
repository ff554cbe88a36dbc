"""Python's functions of numbers, which compute with symbols while code is traced.

``math.cos(n)`` asks a number for its digits, and ``min(1, n / 100)`` which of two is smaller: a
symbol can tell neither. So while code is traced the places that hold functions of ``math``, or the
module itself, hold stand-ins, and the globals of the code have ``min``, ``max``, ``int`` and
``float`` of their own. A stand-in that meets a symbol makes the call a step of each compiled call;
otherwise it is the function.
"""

from __future__ import annotations

import dis
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from operator import itemgetter
from types import CodeType, FunctionType, ModuleType
from typing import Any

from nngraph.frontend.host import is_host_number
from nngraph.frontend.record import Handle

__all__ = ["Again", "Builtins", "real_of", "stand_in_of"]


def _listed(value: Any) -> Any:
    """What a function would go through, as a list if symbols may be in it."""
    if isinstance(value, str | bytes | Handle) or hasattr(value, "dtype"):
        return value
    return list(value) if isinstance(value, Iterable) else value


@dataclass(frozen=True)
class Again:
    """``function`` of numbers that may have stood in lists.

    Attributes:
        function: of Python's.
        sizes: of the lists that it gets, None for a number.
        names: of the last arguments.
    """

    function: Callable[..., Any]
    sizes: tuple[int | None, ...]
    names: tuple[str, ...]

    def __call__(self, *numbers: Any) -> Any:
        found = iter(numbers)
        made = [next(found) if n is None else [next(found) for _ in range(n)] for n in self.sizes]
        count = len(made) - len(self.names)
        return self.function(*made[:count], **dict(zip(self.names, made[count:], strict=True)))


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``, by each call if a symbol is among the numbers."""
    given = [*map(_listed, args), *kwargs.values()]
    leaves = [part for value in given for part in (value if type(value) is list else (value,))]
    number = next(filter(is_host_number, leaves), None)
    if number is None or callable(kwargs.get("key")):
        return function(*given[: len(args)], **kwargs)
    sizes = tuple(len(value) if type(value) is list else None for value in given)
    again = Again(function, sizes, tuple(kwargs))
    made = number._program.compute(again, leaves, function in _BY_VALUE)
    if type(made._value) is tuple:  # math.modf, math.frexp
        return tuple(made._program.compute(itemgetter(i), (made,)) for i in range(len(made._value)))
    return made


def _standing(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return _call(function, args, kwargs)

    return stand_in


class _Kind(type):
    """Of what stands for a class of numbers: for ``isinstance`` it is the class."""

    real: type

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self.real)

    def __subclasscheck__(self, kind: type) -> bool:
        return issubclass(kind, self.real)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self.real, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


#: Whether they give an integer or a float depends on the numbers.
_BY_VALUE: tuple[Any, ...] = (min, max, math.prod)
_FUNCTIONS = {name: f for name, f in vars(math).items() if callable(f) and name[0] != "_"}
_STAND_INS: dict[int, Any] = {id(f): _standing(f) for f in _FUNCTIONS.values()}
_MATH = ModuleType("math", math.__doc__)
vars(_MATH).update(vars(math), **{name: _STAND_INS[id(f)] for name, f in _FUNCTIONS.items()})
_STAND_INS[id(math)] = _MATH
_REALS = {id(_STAND_INS[id(f)]): f for f in (*_FUNCTIONS.values(), math)}
_BUILTINS: dict[str, Any] = {
    "min": _standing(min),
    "max": _standing(max),
    "int": _Kind("int", (), {"real": int}),
    "float": _Kind("float", (), {"real": float}),
}


def stand_in_of(value: Any) -> Any:
    """What stands for ``math`` or a function of it; None for anything else."""
    return _STAND_INS.get(id(value))


def real_of(value: Any) -> Any:
    """What a stand-in stands for; anything else is itself."""
    return _REALS.get(id(value), value)


class Builtins:
    """Puts stand-ins of Python's own functions into the globals of functions that call them.

    A function of the user's that looks at ``int`` or ``float`` otherwise - as a type, or to keep
    it - has the real one, and so have all functions of its module.
    """

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        self._tables: dict[int, dict[str, Any]] = {}
        called: dict[tuple[int, str], bool] = {}
        for function in functions:
            table = function.__globals__
            self._tables[id(table)] = table
            for name, is_call in _loads(function.__code__):
                key = id(table), name
                called[key] = called.get(key, True) and is_call
        self._wanted = [key for key, always in called.items() if always]
        self._put: list[tuple[dict[str, Any], str]] = []

    def put(self) -> None:
        """The trace begins."""
        for table, name in self._wanted:
            if name not in self._tables[table]:
                self._tables[table][name] = _BUILTINS[name]
                self._put.append((self._tables[table], name))

    def take_back(self) -> None:
        """The trace is over."""
        while self._put:
            table, name = self._put.pop()
            if table.get(name) is _BUILTINS[name]:
                del table[name]


def _loads(code: CodeType) -> Iterator[tuple[str, bool]]:
    """The functions that code takes from Python's own, and whether it does no more than call."""
    if not _BUILTINS.keys().isdisjoint(code.co_names):
        for each in dis.get_instructions(code):
            if each.opname == "LOAD_GLOBAL" and each.argval in _BUILTINS:
                # The lowest bit asks for what a call of the value needs on the stack.
                yield each.argval, bool((each.arg or 0) & 1)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loads(constant)

"""Lists that traced code only appends to: they may be longer at each call of one trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Growing"]

_READS = (
    "__add__",
    "__contains__",
    "__delitem__",
    "__eq__",
    "__ge__",
    "__getitem__",
    "__gt__",
    "__imul__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__mul__",
    "__ne__",
    "__reduce_ex__",
    "__repr__",
    "__reversed__",
    "__rmul__",
    "__setitem__",
    "clear",
    "copy",
    "count",
    "index",
    "insert",
    "pop",
    "remove",
    "reverse",
    "sort",
)


class Growing(list[Any]):
    """Stands for a list during a trace and notes whether the code looks at what is in it.

    Attributes:
        real: the list.
        was_read: whether the code did anything but append.
    """

    __slots__ = ("real", "was_read")
    __hash__ = None

    def __init__(self, real: list[Any]) -> None:
        super().__init__(real)
        self.real = real
        self.was_read = False

    def __radd__(self, other: list[Any]) -> list[Any]:
        self.was_read = True
        return [*other, *list.__iter__(self)]

    def added(self) -> list[Any]:
        """What the code appended."""
        return list(list.__iter__(self))[len(self.real) :]


def _noting(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    def read(self: Growing, *args: Any, **kwargs: Any) -> Any:
        self.was_read = True
        return method(self, *args, **kwargs)

    return read


for _name in _READS:
    setattr(Growing, _name, _noting(_name))

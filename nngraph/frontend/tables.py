"""Dicts that say when they change: what modules hold, their hooks, the state of optimizers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

from nngraph.frontend.structure import structure

__all__ = ["HookTable", "StateTable", "Table"]

_CHANGES = (
    "__delitem__",
    "__ior__",
    "__setitem__",
    "clear",
    "move_to_end",
    "pop",
    "popitem",
    "setdefault",
    "update",
)


def _telling(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wrapper(self: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        finally:
            structure.changed()

    return wrapper


def _watched(cls: type) -> type:
    """A class decorator: every method that changes the dict says so."""
    for name in _CHANGES:
        method = getattr(cls, name, None)
        if method is not None:
            setattr(cls, name, _telling(method))
    return cls


@_watched
class Table(dict[Any, Any]):
    """What a module holds, or an optimizer for one parameter, by name."""


@_watched
class HookTable(OrderedDict[Any, Any]):
    """The hooks of a module, in the order of their running."""


@_watched
class StateTable(defaultdict[Any, Any]):
    """What an optimizer keeps, by parameter."""

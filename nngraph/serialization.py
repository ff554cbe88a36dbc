"""PyTorch's path to ``save`` and ``load``.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from nngraph.frontend.checkpoint.load import load
from nngraph.frontend.checkpoint.save import save
from nngraph.runtime.torchfile.names import is_listed

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Takes classes that ``load`` reads anyway: nothing can be added to its list.

    Args:
        safe_globals: classes and functions, or pairs of them and a name.

    Raises:
        RuntimeError: for any other, whose code ``load`` would have to run.
    """
    for given in safe_globals:
        kind = given[0] if isinstance(given, tuple) else given
        module, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", repr(kind))
        if not is_listed(module, name):
            raise RuntimeError(
                f"add_safe_globals: ng.load executes nothing of a file, and makes no objects of "
                f"{module}.{name}. Save data instead: the object's state_dict() or a dict of its "
                "values"
            )


def get_safe_globals() -> list[Any]:
    """An empty list: nothing was added."""
    return []


def clear_safe_globals() -> None:
    """Changes nothing: nothing was added."""


class safe_globals:
    """A context in which nothing changes, for classes that ``load`` reads anyway.

    Raises:
        RuntimeError: for any other class.
    """

    def __init__(self, safe_globals: Sequence[Any]) -> None:
        add_safe_globals(safe_globals)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

"""What removes a hook."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, ClassVar

__all__ = ["RemovableHandle", "added"]

Table = MutableMapping[int, Any]


class RemovableHandle:
    """Removes a hook: by ``remove()``, or at the end of a ``with`` block.

    Args:
        hooks_dict: the table that holds the hook under ``id``.
        extra_dict: tables that hold facts about the hook, under the same ``id``.
    """

    id: int
    next_id: ClassVar[int] = 0

    def __init__(
        self, hooks_dict: Table, *, extra_dict: Table | Sequence[Table] | None = None
    ) -> None:
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = () if extra_dict is None else extra_dict
        tables = (extra,) if isinstance(extra, MutableMapping) else extra
        self._tables = [weakref.ref(t) for t in (hooks_dict, *tables)]

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        for reference in self._tables:
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __getstate__(self) -> tuple[int, list[Table | None]]:
        return self.id, [reference() for reference in self._tables]

    def __setstate__(self, state: tuple[int, list[Table | None]]) -> None:
        self.id, tables = state
        self._tables = [weakref.ref(OrderedDict[int, Any]() if t is None else t) for t in tables]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


def added(table: Table, hook: Callable[..., Any]) -> RemovableHandle:
    """Puts a hook last into its table."""
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle

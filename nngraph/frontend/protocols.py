"""What the worlds ask of what code gives them: typed values, modules, compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Protocol

from nngraph.frontend.record import Handle
from nngraph.frontend.storage import Storage
from nngraph.ir.types import TensorType

__all__ = ["Compiled", "ModuleLike", "Recording", "Typed"]


class Typed(Protocol):
    """Anything of a tensor type."""

    @property
    def aval(self) -> TensorType: ...


class ModuleLike(Protocol):
    """A module, whose ``__call__`` asks the world."""

    def named_modules(self) -> Iterable[tuple[str, Any]]: ...
    def named_parameters(self) -> Iterable[tuple[str, Any]]: ...
    def named_buffers(self) -> Iterable[tuple[str, Any]]: ...
    def _entry(self) -> Callable[..., Any]:
        """``forward``, or what runs it with the hooks."""
        ...

    def _fingerprint(self, skip: Set[str] = ...) -> Any:
        """Equal as long as a trace of the module's forward is valid, apart from the mode.

        ``skip`` names attributes that do not count.
        """
        ...

    def _difference(self, before: Any, skip: Set[str] = ...) -> str:
        """What is not as in this earlier fingerprint, in words."""
        ...


class Compiled(Protocol):
    """A compiled function, whose ``__call__`` asks the world."""

    @property
    def function(self) -> Callable[..., Any]:
        """What it was compiled from."""
        ...

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs compiled code."""
        ...


class Recording(Protocol):
    """What an optimizer says to the trace that it is called in."""

    @property
    def guards(self) -> Mapping[object, object]:
        """The facts that the trace relies on so far, by their keys."""
        ...

    def guard(
        self,
        key: object,
        check: Callable[[], bool],
        reason: str | Callable[[], str],
        covered: bool = False,
        what: str = "",
    ) -> None:
        """Adds a fact that the trace relies on; ``covered`` if ``structure`` tells of changes."""
        ...

    def name(self, storage: Storage, name: str) -> None:
        """Suggests a name for a state."""
        ...

    def state_name(self, storage: Storage) -> str | None:
        """The name of the state that a storage is, None if the code has not met it."""
        ...

    def consume(self, tensor: Handle) -> None:
        """The gradient of ``tensor`` was used: nothing else needs it."""
        ...

"""Compiling, by PyTorch's path (``torch.compiler``)."""

from __future__ import annotations

from typing import Any, TypeVar

from nngraph.backends.registry import BACKENDS
from nngraph.frontend.compile import compile, set_default_backend
from nngraph.frontend.eager import Eager
from nngraph.frontend.world import world

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_default_backend",
]

_F = TypeVar("_F")


def is_compiling() -> bool:
    """Whether a function is being traced, by ``ng.compile``, ``trace`` or ``export``."""
    return not isinstance(world(), Eager)


is_dynamo_compiling = is_compiling


def is_exporting() -> bool:
    """False: what is exported is traced as what is compiled."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself, which runs eagerly where no compiled function calls it.

    There are no breaks in a graph: where a compiled function calls it, what it computes is traced,
    and what it can't do there - printing values, say - raises ``TraceError`` with its line.
    """
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: _F) -> _F:
    """The function itself: all code is traced through."""
    return fn


def assume_constant_result(fn: _F) -> _F:
    """The function itself: what it computes without tensors is constant in a trace."""
    return fn


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of the backends whose packages are installed."""
    return [row.name for row in BACKENDS.values() if not row.missing]


def reset() -> None:
    """Nothing: each compiled function keeps its own traces."""


def cudagraph_mark_step_begin() -> None:
    """Nothing."""

"""What traces rely on of a module: its mode, and what it holds."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, NamedTuple

from nngraph.frontend.world import world
from nngraph.nn.modules.every import SHARED

__all__ = ["Facts", "TrainingMode", "difference", "facts_of"]


_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class TrainingMode:
    """The attribute ``training``, which a trace reads and sets in its own world."""

    def __get__(self, module: Any, owner: type) -> Any:
        return self if module is None else world().training(module)

    def __set__(self, module: Any, mode: bool) -> None:
        world().set_training(module, mode)


class Facts(NamedTuple):
    """A module without its mode; equal as long as a trace of its forward is valid.

    Attributes:
        attributes: plain attributes that changed since they were first set, by name.
        parameters, buffers: of each its name, its identity and that of its storage.
        modules: the identities of the submodules by name.
        hooks: the keys of the hooks, and a ``forward`` of this very module.
    """

    attributes: dict[str, Any]
    parameters: list[Any]
    buffers: list[Any]
    modules: list[Any]
    hooks: list[Any]


def facts_of(module: Any, skip: Set[str]) -> Facts:
    """The facts of a module; from here on ``structure`` tells when they may have changed."""
    own = module.__dict__
    hooks = (*(own[name] for name in _HOOKS), *SHARED.of_calls)
    return Facts(
        {**_kept(own["_changes"], skip)},
        _tensors(_kept(own["_parameters"], skip)),
        _tensors(_kept(own["_buffers"], skip)),
        [(name, id(child)) for name, child in _kept(own["_modules"], skip).items()],
        [own.get("forward"), *map(tuple, hooks)] if any(hooks) or "forward" in own else [],
    )


def _kept(table: dict[str, Any], skip: Set[str]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in skip} if skip else table


def _tensors(table: dict[str, Any]) -> list[Any]:
    facts: list[Any] = []
    for name, tensor in table.items():
        if tensor is None:
            facts += (name, None)
        else:
            storage = tensor._storage
            storage.watched = True
            facts += (name, id(tensor), id(storage))
    return facts


def difference(was: Facts, now: Facts) -> str:
    """What has changed, in words."""
    for word in ("parameters", "buffers", "modules", "hooks"):
        if getattr(was, word) != getattr(now, word):
            return f"other {word}"
    for name in {**was.attributes, **now.attributes}:
        before, after = was.attributes.get(name), now.attributes.get(name)
        if before != after:
            return f"{name} = {after!r}"
    return "changed"

"""Nested tuples, lists and dicts of leaves: taken apart and put together.

An object of ours that has ``_parts`` (a generator) is taken apart into these, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Tree", "flatten", "unflatten"]


@dataclass(frozen=True)
class Tree:
    """The structure of a nest: ``kind`` of container, its keys, and its children's trees."""

    kind: type | None  # None marks a leaf
    keys: tuple[Any, ...] = ()
    children: tuple[Tree, ...] = ()

    def objects(self) -> list[type]:
        """The classes of ours that were taken apart."""
        own = [self.kind] if self.kind is not None and hasattr(self.kind, "_of_parts") else []
        return own + [kind for child in self.children for kind in child.objects()]


_LEAF = Tree(None)


def _tree(kind: type, keys: tuple[Any, ...], children: tuple[Tree, ...]) -> Tree:
    """The tree; flat ones, which nearly all calls have, are made once."""
    if len(children) > 16 or any(child is not _LEAF for child in children):
        return Tree(kind, keys, children)
    return _flat(kind, keys, len(children))


@lru_cache(4096)
def _flat(kind: type, keys: tuple[Any, ...], count: int) -> Tree:
    return Tree(kind, keys, (_LEAF,) * count)


def flatten(nest: Any, leaves: list[Any]) -> Tree:
    """Appends the leaves of ``nest`` to ``leaves``, in order, and returns the structure.

    Dicts keep their insertion order. Anything that is no tuple, list or dict is a leaf.
    """
    kind = type(nest)
    if isinstance(nest, list):
        return _tree(list, (), tuple([flatten(x, leaves) for x in nest]))
    if kind is tuple or (isinstance(nest, tuple) and hasattr(nest, "_fields")):
        return _tree(kind, (), tuple([flatten(x, leaves) for x in nest]))
    if isinstance(nest, dict):
        children = tuple([flatten(x, leaves) for x in nest.values()])
        return _tree(dict, tuple(nest), children)
    if hasattr(kind, "_of_parts"):
        return _tree(kind, (), tuple([flatten(x, leaves) for x in nest._parts()]))
    leaves.append(nest)
    return _LEAF


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The nest of structure ``tree`` with these leaves."""
    position = iter(leaves)
    return _build(tree, lambda: next(position))


def _build(tree: Tree, take: Callable[[], Any]) -> Any:
    if tree.kind is None:
        return take()
    parts = [_build(c, take) for c in tree.children]
    if tree.kind is dict:
        return dict(zip(tree.keys, parts, strict=True))
    if tree.kind is tuple or tree.kind is list:
        return tree.kind(parts)
    made: Callable[..., Any] = getattr(tree.kind, "_of_parts", tree.kind)  # or a named tuple
    return made(*parts)

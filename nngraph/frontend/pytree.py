"""Nested tuples, lists, dicts and users' dataclasses of leaves: taken apart and put together.

An object of ours that has ``_parts`` (a generator) is taken apart into these, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any, cast

__all__ = ["Tree", "fields_of", "flatten", "made_of_fields", "plain", "unflatten"]


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


@lru_cache(1024)
def fields_of(kind: Any) -> tuple[str, ...] | None:
    """The names of a dataclass's fields; None for other classes, and for ours, which are values."""
    if not is_dataclass(kind) or kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return None
    return tuple(field.name for field in fields(kind))


def made_of_fields(kind: Any, values: Sequence[Any]) -> Any:
    """A dataclass's object; what its ``__init__`` would do was done when these were computed."""
    made = object.__new__(kind)
    for name, value in zip(fields_of(kind) or (), values, strict=True):
        object.__setattr__(made, name, value)
    return made


def flatten(nest: Any, leaves: list[Any]) -> Tree:
    """Appends the leaves of ``nest`` to ``leaves``, in order, and returns the structure.

    Dicts keep their class and the order of insertion. Anything that is no tuple, list, dict or
    dataclass is a leaf.
    """
    kind: Any = type(nest)
    if isinstance(nest, list):
        return _tree(list, (), tuple([flatten(x, leaves) for x in nest]))
    if kind is tuple or (isinstance(nest, tuple) and hasattr(nest, "_fields")):
        return _tree(kind, (), tuple([flatten(x, leaves) for x in nest]))
    if isinstance(nest, dict):
        children = tuple([flatten(x, leaves) for x in nest.values()])
        return _tree(kind, tuple(nest), children)
    if hasattr(kind, "_of_parts"):
        return _tree(kind, (), tuple([flatten(x, leaves) for x in nest._parts()]))
    names = fields_of(kind)
    if names is not None:
        return _tree(kind, names, tuple([flatten(getattr(nest, n), leaves) for n in names]))
    leaves.append(nest)
    return _LEAF


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The nest of structure ``tree`` with these leaves."""
    position = iter(leaves)
    return _build(tree, lambda: next(position))


def plain(nest: Any) -> Any:
    """The nest of tuples, lists and dicts only: a dataclass is a dict of its fields.

    Keys of dicts are numbers, texts and None; others are their texts.
    """
    leaves: list[Any] = []
    tree = flatten(nest, leaves)
    position = iter(leaves)
    return _plain(tree, lambda: next(position))


def _plain(tree: Tree, take: Callable[[], Any]) -> Any:
    if tree.kind is None:
        return take()
    parts = [_plain(child, take) for child in tree.children]
    if issubclass(tree.kind, dict) or fields_of(cast("Any", tree.kind)) is not None:
        return dict(zip(map(_key, tree.keys), parts, strict=True))
    return parts if issubclass(tree.kind, list) else tuple(parts)


def _key(key: Any) -> Any:
    return key if key is None or type(key) in (bool, int, str) else str(key)


def _build(tree: Tree, take: Callable[[], Any]) -> Any:
    if tree.kind is None:
        return take()
    parts = [_build(c, take) for c in tree.children]
    if tree.kind is dict:
        return dict(zip(tree.keys, parts, strict=True))
    if tree.kind is tuple or tree.kind is list:
        return tree.kind(parts)
    if issubclass(tree.kind, dict):
        made = tree.kind.__new__(tree.kind)
        for key, part in zip(tree.keys, parts, strict=True):
            made[key] = part
        return made
    if fields_of(cast("Any", tree.kind)) is not None:
        return made_of_fields(tree.kind, parts)
    make: Callable[..., Any] = getattr(tree.kind, "_of_parts", tree.kind)  # or a named tuple
    return make(*parts)

"""What the transforms share: arguments that are differentiated, and what stays of their past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nngraph.frontend.backward import leaves_of
from nngraph.frontend.base import TensorBase
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.ops.elementwise.arithmetic import copy

__all__ = ["Argnums", "Watched", "chosen", "flat", "inside_of", "replaced", "tensors_of"]

Argnums = int | tuple[int, ...]


def flat(nest: Any) -> tuple[list[Any], Tree]:
    """The leaves of a nest, and its structure."""
    leaves: list[Any] = []
    tree = flatten(nest, leaves)
    return leaves, tree


def tensors_of(nest: Any, what: str) -> tuple[list[Any], Tree]:
    """The tensors of a nest, and its structure.

    Raises:
        RuntimeError: for something else than tensors.
    """
    leaves, tree = flat(nest)
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            raise RuntimeError(
                f"{what}: Expected {'a pytree of ' if tree.kind else ''}tensors, got type "
                f"{type(leaf).__name__}"
            )
    return leaves, tree


def chosen(args: Sequence[Any], argnums: Argnums) -> Any:
    """The arguments at these positions.

    Raises:
        RuntimeError: for positions that are not there, repeated, or no integers.
    """
    listed = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(listed, tuple) or not all(isinstance(n, int) for n in listed):
        raise RuntimeError(f"argnum must be int or Tuple[int, ...], got: {argnums!r}")
    if not listed:
        raise RuntimeError("argnums must be non-empty")
    for n in listed:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    places = [n % len(args) for n in listed]
    if len(set(places)) < len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return args[argnums] if isinstance(argnums, int) else tuple(args[n] for n in listed)


def replaced(args: Sequence[Any], argnums: Argnums, new: Any) -> tuple[Any, ...]:
    """The arguments with others at these positions."""
    made = list(args)
    pairs = [(argnums, new)] if isinstance(argnums, int) else zip(argnums, new, strict=True)
    for n, value in pairs:
        made[n] = value
    return tuple(made)


class Watched:
    """Tensors as a function gets them whose gradient is asked for; to be made where it is recorded.

    Attributes:
        tree: the structure of the nest.
        tensors: those that the function gets: with the history that a tensor had, or new leaves.
    """

    def __init__(self, nest: Any, what: str) -> None:
        given, self.tree = tensors_of(nest, what)
        self.tensors: list[Any] = [
            copy(t) if t.requires_grad else t.detach().requires_grad_() for t in given
        ]
        self._own = {id(t) for t in self.tensors if t.is_leaf}

    @property
    def nest(self) -> Any:
        """The nest that the function gets."""
        return unflatten(self.tree, self.tensors)

    def are_all(self, results: Iterable[Any]) -> bool:
        """Whether results depend on no other leaves than these: nobody else differentiates them."""
        found: set[int] = set()
        for result in results:
            if isinstance(result, TensorBase):
                found |= leaves_of(result)
        return found <= self._own | {id(None)}  # leaves that are gone: of transforms that are over


def inside_of(results: Any, keeps_history: bool) -> Any:
    """Results for the caller: without the history of the transform, where nobody else needs it."""
    if keeps_history:
        return results
    leaves, tree = flat(results)
    return unflatten(tree, [v.detach() if isinstance(v, TensorBase) else v for v in leaves])

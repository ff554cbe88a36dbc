"""What modules were called with in a trace, for files of the modules alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.arguments import Spec
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.ir.dims import SymDim, sym
from nngraph.ir.types import TensorType, type_of_array

__all__ = ["CalledModule", "called_with"]


@dataclass(frozen=True)
class _Other:
    """Stands for an argument that no file takes, which a trace need not keep alive."""

    kind: type


@dataclass(frozen=True)
class CalledModule:
    """A module that no other module called, and what it was called with first.

    Attributes:
        module: which.
        tree: of ``(args, kwargs)``.
        leaves: a ``Spec`` for each tensor and array.
    """

    module: ModuleLike
    tree: Tree
    leaves: Sequence[Any]

    @property
    def others(self) -> list[str]:
        """The kinds of arguments that no file takes."""
        kinds = [leaf.kind for leaf in self.leaves if isinstance(leaf, _Other)]
        return [kind.__name__ for kind in (*self.tree.objects(), *kinds)]

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``(args, kwargs)``, where there are no ``others``."""
        args, kwargs = unflatten(self.tree, self.leaves)
        return args, kwargs


def called_with(module: ModuleLike, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CalledModule:
    """The call, without its tensors. A size that code computed is a size of its own there."""
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    known: dict[str, str] = {}
    return CalledModule(module, tree, [_without_elements(leaf, known) for leaf in leaves])


def _without_elements(leaf: Any, known: dict[str, str]) -> Any:
    if isinstance(leaf, TensorBase):
        kind: TensorType = leaf.aval
        return Spec(kind.with_shape(_plain(dim, known) for dim in kind.shape))
    if isinstance(leaf, np.ndarray):
        return Spec(type_of_array(leaf))
    if leaf is None or type(leaf) in (bool, int, float, str) or isinstance(leaf, Spec):
        return leaf
    return _Other(type(leaf))


def _plain(dim: Any, known: dict[str, str]) -> Any:
    if not isinstance(dim, SymDim) or str(dim).isidentifier():
        return dim
    return sym(known.setdefault(str(dim), f"size_{len(known)}"))

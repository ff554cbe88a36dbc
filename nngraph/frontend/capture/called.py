"""What modules were called with in a trace, for files of the modules alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.arguments import Spec
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.pytree import flatten, unflatten
from nngraph.ir.dims import SymDim, sym
from nngraph.ir.types import TensorType

__all__ = ["CalledModule", "called_with"]


@dataclass(frozen=True)
class CalledModule:
    """A module that no other module called, and what it was called with first.

    Attributes:
        module: which.
        args, kwargs: with a ``Spec`` for each tensor.
    """

    module: ModuleLike
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def called_with(module: ModuleLike, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CalledModule:
    """The call, without its tensors. A size that code computed is a size of its own there."""
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    known: dict[str, str] = {}
    specs = [_spec(leaf, known) if isinstance(leaf, TensorBase) else leaf for leaf in leaves]
    given, named = unflatten(tree, specs)
    return CalledModule(module, given, named)


def _spec(tensor: TensorBase, known: dict[str, str]) -> Spec:
    kind: TensorType = tensor.aval
    return Spec(kind.with_shape(_plain(dim, known) for dim in kind.shape))


def _plain(dim: Any, known: dict[str, str]) -> Any:
    if not isinstance(dim, SymDim) or str(dim).isidentifier():
        return dim
    return sym(known.setdefault(str(dim), f"size_{len(known)}"))

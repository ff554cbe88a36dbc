"""Classes of layers below that checkpoints bring back: each layer says how its own are made."""

from __future__ import annotations

from collections.abc import Callable

from nngraph.frontend.tensor import Tensor

__all__ = ["KINDS", "register"]

#: By a short name: the class, and what makes one of a tensor and a flag.
KINDS: dict[str, tuple[type[Tensor], Callable[[Tensor, bool], Tensor]]] = {}


def register(name: str, kind: type[Tensor], make: Callable[[Tensor, bool], Tensor]) -> None:
    """Says how tensors of a class are made of plain ones and a flag."""
    KINDS[name] = kind, make

"""Tensors under a common tape entry, at which their gradients meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nngraph.frontend.record import Edge, Entry, Handle, Leaf, Lost
from nngraph.frontend.tape import edge_of, save
from nngraph.frontend.world import world
from nngraph.ir.op import Op, Thunk
from nngraph.ir.types import TensorType
from nngraph.ops.creation import zeros_like

__all__ = ["joined", "need_no_joint"]


@dataclass(frozen=True)
class Joint(Op):
    """Gives its operands back. It stands on the tape only; a graph never has it.

    An output that got no gradient counts as one that got zeros, as in PyTorch's custom functions.
    """

    name = "module_hook"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        def thunk(operand: Any, gradient: Any) -> Thunk:
            return lambda: zeros_like(operand) if gradient is None else gradient

        return [thunk(v, g) for v, g in zip(inputs, grads, strict=True)]


def joined(tensors: Sequence[Any]) -> tuple[list[Any], Entry]:
    """Tensors of the same elements (memory is shared) that one entry has made.

    Those that require no gradient still require none.
    """
    here = world()
    edges = [edge_of(t, here) for t in tensors]
    made: list[Any] = []
    for tensor in tensors:
        alias = Handle._result(tensor._storage, tensor._view)
        alias._seen = None if tensor._view is None else here.edge(tensor._view.base)
        made.append(alias)
    inputs = [t._saved(here, e) for t, e in zip(tensors, edges, strict=True)]
    entry = Entry(Joint(), inputs, [save(here, t, None) for t in made], here.here(), here.level)
    for index, (alias, edge) in enumerate(zip(made, edges, strict=True)):
        alias._edge = None if edge is None else Edge(entry, index)
    return made, entry


def need_no_joint(edge: Edge | Leaf | None) -> None:
    """Refuses to assign to a tensor that shares its memory with the one that it was made of."""
    if not isinstance(edge, Edge) or isinstance(edge.entry, Lost):
        return
    if isinstance(edge.entry.op, Joint):
        raise RuntimeError(
            f"Output {edge.index} of BackwardHookFunction is a view and is being modified inplace. "
            "This view is what a module with full backward hooks gives to its forward and to its "
            "callers: it shares memory with another tensor. You can remove this problem by cloning "
            "it first."
        )

"""Constant folding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Array, Trait
from nngraph.ir.rewriter import Rewriter
from nngraph.ops import Constant, Extent, Pad
from nngraph.passes.base import Context
from nngraph.passes.splat import emit, is_number, number_of, splat_of

__all__ = ["FoldConstants"]


@dataclass(frozen=True)
class FoldConstants:
    """Computes nodes whose inputs are known, with the operators' own ``eval``.

    One number repeated stays one number (``full``), whatever the shape. Other results become
    literals where that makes the graph little or no larger; an operator that fails is left to fail
    when the graph runs.

    Attributes:
        limit: bytes of a result that is always folded; a larger one only if the literals that it
            replaces, and that nobody else reads, are at least as large.
        work: bytes of operands that folding may lay out in memory.
    """

    limit: int = 1 << 16
    work: int = 1 << 24
    name: str = "fold"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.nodes:
            arrays = self._computed(node)
            if arrays is None:
                continue
            with rewriter.at(node):
                new = [emit(a, v.type, v) for a, v in zip(arrays, node.outputs, strict=True)]
            rewriter.replace_by(node, new)
        return rewriter.changes

    def _computed(self, node: Node) -> Sequence[Array] | None:
        """Arrays of the outputs' types, or of rank 0 for what is one number; None: not folded."""
        if isinstance(node.op, Constant):
            return _uniform(node.op.literal.array)
        if isinstance(node.op, Extent) and isinstance(node.op.size, int):
            return node.op.eval()
        known = node.inputs and all(_is_known(v) for v in node.inputs)
        if not known or Trait.CONTROL in node.op.traits:
            return None
        splats = [splat_of(v) for v in node.inputs]
        numbers = [s for s in splats if s is not None]
        if len(numbers) == len(splats):
            if Trait.ELEMENTWISE in node.op.traits:
                return _evaluated(node, numbers)
            if Trait.SHAPE in node.op.traits and _is_kept(node, numbers):
                return [numbers[0]] * len(node.outputs)
        return self._literal(node)

    def _literal(self, node: Node) -> Sequence[Array] | None:
        values = (*node.inputs, *node.outputs)
        if not all(v.type.is_static for v in values):
            return None
        made = sum(v.type.nbytes for v in node.outputs)
        if made > max(self.limit, _replaced(node)):
            return None
        if sum(v.type.nbytes for v in node.inputs) > self.work:
            return None
        operands = [_array(v) for v in node.inputs]
        return _evaluated(node, operands)


def _is_known(value: Value) -> bool:
    return value.producer is not None and Trait.CREATION in value.producer.op.traits


def _uniform(array: Array) -> Sequence[Array] | None:
    """The one number of an array that repeats it."""
    flat = array.reshape(-1)
    one = flat[:1]
    if flat.size < 2 or one.tobytes() * flat.size != flat.tobytes():
        return None
    again = np.asarray(one[0].item(), array.dtype)
    return [one.reshape(())] if again.tobytes() == one.tobytes() else None


def _is_kept(node: Node, numbers: Sequence[Array]) -> bool:
    """True if an operator that only moves elements makes no other number than its operands'."""
    if len({n.tobytes() for n in numbers}) != 1:
        return False
    if isinstance(node.op, Pad) and node.op.mode == "constant":
        return is_number(number_of(node.inputs[0]), numbers[0].dtype.type(node.op.value).item())
    return True


def _replaced(node: Node) -> int:
    """Bytes of the literals that go away with the node."""
    inputs = dict.fromkeys(node.inputs)
    return sum(
        v.type.nbytes
        for v in inputs
        if v.producer
        and isinstance(v.producer.op, Constant)
        and v.users == (node,)
        and all(user is node for user, _ in v.uses)
    )


def _array(value: Value) -> Array:
    assert value.producer is not None
    return value.producer.op.eval()[0]


def _evaluated(node: Node, operands: Sequence[Array]) -> Sequence[Array] | None:
    try:
        with np.errstate(all="ignore"):
            return node.op.eval(*operands)
    except (ArithmeticError, LookupError, ValueError):
        return None  # it fails in the same way when the graph runs

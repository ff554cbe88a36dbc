"""Rewrites operators into the form that kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import apply
from nngraph.ir.rewriter import Rewriter
from nngraph.ops.linalg import MatMul
from nngraph.ops.shape.moving import Transpose, transpose
from nngraph.ops.sort import Sort, TopK
from nngraph.passes.base import Context

__all__ = ["Legalize"]


@dataclass(frozen=True)
class Legalize:
    """Sorts along the last axis only; transposes of the last two axes become flags of products."""

    name: str = "legalize"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.nodes:
            match node.op:
                case Sort() | TopK() as op:
                    _sort_last(rewriter, node, op)
                case MatMul() as op:
                    _absorb_transposes(rewriter, node, op)
        return rewriter.changes


def _sort_last(rewriter: Rewriter, node: Node, op: Sort | TopK) -> None:
    last = node.inputs[0].type.rank - 1
    if op.axis == last:
        return
    perm = tuple(last if a == op.axis else op.axis if a == last else a for a in range(last + 1))

    def build(x: Value) -> Sequence[Value]:
        return [transpose(v, perm) for v in apply(replace(op, axis=last), transpose(x, perm))]

    rewriter.replace(node, build)


def _absorb_transposes(rewriter: Rewriter, node: Node, op: MatMul) -> None:
    sources = [_untransposed(v) for v in node.inputs]
    if not any(s is not None for s in sources):
        return
    flags = [
        f ^ (s is not None) for f, s in zip((op.transpose_a, op.transpose_b), sources, strict=True)
    ]

    def build(*operands: Value) -> Sequence[Value]:
        given = [s if s is not None else v for s, v in zip(sources, operands, strict=True)]
        return apply(MatMul(*flags), *given)

    rewriter.replace(node, build)


def _untransposed(value: Value) -> Value | None:
    """The operand of a transpose of the last two axes."""
    node = value.producer
    if node is None or not isinstance(node.op, Transpose):
        return None
    rank = value.type.rank
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    return node.inputs[0] if rank >= 2 and node.op.perm == swapped else None

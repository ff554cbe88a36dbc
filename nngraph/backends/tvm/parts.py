"""Parts of tensors in the form in which kernels read them where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nngraph.backends.tvm.fuse.kinds import is_join, is_part, is_point, is_product, is_reduction
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Trait, apply1
from nngraph.ir.rewriter import Rewriter
from nngraph.ops.shape.joining import Split
from nngraph.ops.shape.slicing import Slice, slice_axis
from nngraph.passes.base import Context

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """Pieces that only kernels of elements read become slices, which need no memory of their own;
    so do the pieces of an elementwise result, of which its operands are read instead.
    """

    name: str = "parts"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.nodes:
            if isinstance(node.op, Split) and all(_is_read_by_kernels(v) for v in node.outputs):
                rewriter.replace(node, _slices(node, node.op))
        results = set(graph.results)
        for node in graph.nodes:
            if Trait.ELEMENTWISE in node.op.traits and node.output not in results:
                _cut_operands(rewriter, node)
        return rewriter.changes


def _is_read_by_kernels(value: Value) -> bool:
    kind = value.type
    if not kind.is_static or kind.size == 0 or kind.dtype.is_integer:
        return False
    return all(is_point(u) or is_reduction(u) or is_join(u) for u in value.users)


def _slices(node: Node, op: Split) -> Callable[[Value], Sequence[Value]]:
    def build(x: Value) -> Sequence[Value]:
        found: list[Value] = []
        start = 0
        for value in node.outputs:
            size = value.type.static_shape[op.axis]
            found.append(slice_axis(x, op.axis, start, size))
            start += size
        return found

    return build


def _cut_operands(rewriter: Rewriter, node: Node) -> None:
    """``(a + b)[i]`` becomes ``a[i] + b[i]`` if nobody reads more, and a and b are in memory."""
    readers = list(node.output.users)
    if not readers or not all(is_part(u) and isinstance(u.op, Slice) for u in readers):
        return
    if not node.output.type.is_static:
        return
    if sum(u.output.type.nbytes for u in readers) > node.output.type.nbytes:
        return
    if any(v.producer is not None and _is_in_kernels(v.producer) for v in node.inputs):
        return
    for reader in readers:
        op = reader.op
        assert isinstance(op, Slice)
        with rewriter.at(reader):
            made = apply1(node.op, *(_cut(v, op, node.output) for v in node.inputs))
        rewriter.replace_by(reader, [made])


def _is_in_kernels(node: Node) -> bool:
    return is_point(node) or is_reduction(node) or is_product(node)


def _cut(operand: Value, op: Slice, whole: Value) -> Value:
    """What of an operand stands behind a slice of the result."""
    shift = whole.type.rank - operand.type.rank
    rows = []
    for axis, size in enumerate(operand.type.shape):
        own = op.starts[axis + shift], op.sizes[axis + shift], op.steps[axis + shift]
        rows.append(own if size == whole.type.shape[axis + shift] else (0, 1, 1))
    starts, sizes, steps = zip(*rows, strict=True) if rows else ((), (), ())
    if sizes == operand.type.shape and set(steps) <= {1}:
        return operand
    return apply1(Slice(starts, sizes, steps), operand)

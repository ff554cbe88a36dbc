"""Long products in blocks: matrices of their inner extent, gradients of filters of the batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nngraph.ir.dtypes import float32, float64
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import apply1
from nngraph.ir.rewriter import Rewriter
from nngraph.ops.broadcast import reshape, sum
from nngraph.ops.elementwise import add, cast
from nngraph.ops.linalg import MatMul, matmul
from nngraph.ops.shape.joining import stack
from nngraph.ops.shape.moving import transpose
from nngraph.ops.shape.slicing import slice_axis
from nngraph.ops.window.conv import ConvWeightGrad
from nngraph.passes.base import Context

__all__ = ["BlockedProducts"]

_BLOCK = 4096
_LONG = 1 << 17  # kernels of matrices keep many sums, block by block
_LONG_DOT = 1 << 13  # those of vectors keep a few
_IMAGES = 1 << 12  # whose products a convolution's weight gradient adds up
_MOST_PARTS = 16  # of a batch, each a convolution


@dataclass(frozen=True)
class BlockedProducts:
    """A product of float32 over a long inner extent becomes the sum of products of its blocks.

    So does the weight gradient of a convolution over many images.

    Kernels add the terms of an element up one after the other, so that the error grows with their
    number. A sum over the blocks, which the backend takes care of, keeps it small
    (docs/numerics.md). What is shorter stays as it is.
    """

    name: str = "blocked-products"

    def run(self, graph: Graph, context: Context) -> int:
        rewriter = Rewriter(graph, self.name)
        for node in graph.nodes:
            if isinstance(node.op, MatMul) and _is_long(node, node.op):
                rewriter.replace(node, _builder(node.op))
            elif isinstance(node.op, ConvWeightGrad) and _parts(node) > 1:
                rewriter.replace(node, _of_parts(node.op, _parts(node)))
        return rewriter.changes


def _inner(op: MatMul, a: Value) -> int | None:
    size = a.type.shape[-2 if op.transpose_a else -1]
    return size if isinstance(size, int) else None


def _is_long(node: Node, op: MatMul) -> bool:
    a, out = node.inputs[0], node.output.type
    inner = _inner(op, a)
    if inner is None or not out.dtype.is_floating_point or out.dtype is float64:
        return False
    return inner > (_LONG_DOT if 1 in out.shape[-2:] else _LONG)


def _builder(op: MatMul) -> Callable[[Value, Value], Sequence[Value]]:
    def build(a: Value, b: Value) -> Sequence[Value]:
        dtype = a.type.dtype
        a, b = cast(a, float32), cast(b, float32)  # halves would be rounded once a block
        rows, columns = (-2 if op.transpose_a else -1), (-1 if op.transpose_b else -2)
        inner = _inner(op, a)
        assert inner is not None
        count, rest = divmod(inner, _BLOCK)
        whole = count * _BLOCK

        def cut(x: Value, axis: int, start: int, length: int) -> Value:
            return x if length == inner else slice_axis(x, x.type.rank + axis, start, length)

        left = _blocks(cut(a, rows, 0, whole), rows, count)
        right = _blocks(cut(b, columns, 0, whole), columns, count)
        each = matmul(left, right, op.transpose_a, op.transpose_b)
        total = sum(each, (each.type.rank - 3,))
        if rest:
            tail = cut(a, rows, whole, rest), cut(b, columns, whole, rest)
            total = add(total, matmul(*tail, op.transpose_a, op.transpose_b))
        return [cast(total, dtype)]

    return build


def _parts(node: Node) -> int:
    images = node.inputs[0].type.shape[0]
    if not isinstance(images, int) or node.output.type.dtype is float64:
        return 1
    return min(-(-images // _IMAGES), _MOST_PARTS)


def _of_parts(op: ConvWeightGrad, parts: int) -> Callable[[Value, Value], Sequence[Value]]:
    def build(x: Value, dy: Value) -> Sequence[Value]:
        dtype = x.type.dtype
        images = x.type.shape[0]
        assert isinstance(images, int)
        wide = cast(x, float32), cast(dy, float32)
        cuts = [images * i // parts for i in range(parts + 1)]
        found = [
            apply1(op, *(slice_axis(v, 0, start, end - start) for v in wide))
            for start, end in itertools.pairwise(cuts)
        ]
        return [cast(sum(stack(found), (0,)), dtype)]

    return build


def _blocks(x: Value, axis: int, count: int) -> Value:
    """x[..., r, c] as [..., count, r, c] with ``axis`` in blocks."""
    *lead, rows, columns = x.type.shape
    if axis == -2:
        return reshape(x, (*lead, count, _BLOCK, columns))
    rank = len(lead) + 3
    x = reshape(x, (*lead, rows, count, _BLOCK))
    return transpose(x, (*range(rank - 3), rank - 2, rank - 3, rank - 1))

"""What the factorizations share: checks of matrices, batches as one axis, loops over columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dims import Dim, SymDim, UnknownSize
from nngraph.ir.dtypes import float32, float64
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array, O
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import reshape
from nngraph.ops.core import need
from nngraph.ops.creation import constant
from nngraph.ops.scan import scan
from nngraph.ops.shape.moving import transpose

__all__ = [
    "as_batch",
    "loop",
    "need_matrices",
    "need_square",
    "rows_of",
    "size_of",
    "swapped",
    "triangle",
]


def need_matrices(op: str, what: str, x: TensorType) -> None:
    """Raises ``TypeMismatch`` unless x is of matrices in float32 or float64."""
    need(x.rank >= 2, op, what, x, "of rank 2 or more")
    need(x.dtype in (float32, float64), op, what, x, "of float32 or float64 (cast it first)")


def need_square(op: str, what: str, x: TensorType) -> None:
    """Raises ``TypeMismatch`` unless x is of square matrices in float32 or float64."""
    need_matrices(op, what, x)
    need(x.shape[-1] == x.shape[-2], op, what, x, "of square matrices")


def size_of(x: Any, axis: int) -> int:
    """A size that a loop runs over.

    Raises:
        UnknownSize: if it is symbolic.
    """
    size: Dim = x.aval.shape[axis]
    if isinstance(size, SymDim):
        raise UnknownSize(size)
    return size


def as_batch(x: O) -> O:
    """``[..., m, n]`` as ``[B, m, n]``."""
    count: Dim = 1
    for d in x.aval.shape[:-2]:
        count = count * d
    return reshape(x, (count, *x.aval.shape[-2:]))


def swapped(x: O) -> O:
    """The last two axes exchanged."""
    rank = x.aval.rank
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def rows_of(x: O) -> O:
    """``[B, m, n]`` as the sequence of its rows, ``[m, B, n]``."""
    return transpose(x, (1, 0, 2))


def triangle(x: Array, upper: bool) -> Array:
    """NumPy's triangle, whatever the other one holds."""
    return np.triu(x) if upper else np.tril(x)


def loop(
    name: str,
    step: Callable[..., tuple[Sequence[Any], Sequence[Any]]],
    carries: Sequence[Any],
    marks: Sequence[Array],
    xs: Sequence[Any] = (),
    reverse: bool = False,
) -> tuple[Any, ...]:
    """Final carries and stacks of a loop whose step number is told by masks.

    Args:
        name: of the body.
        step: from carries, a row of each mark and a slice of each of ``xs`` to (new carries,
            what is stacked).
        carries: first values.
        marks: arrays, of which step k takes row k.
        xs: sequences.
        reverse: from the last step to the first.
    """
    length = len(marks[0])
    graph = Graph(name)
    taken = [graph.add_input(v.aval) for v in carries]
    known = [constant(m, carries[0]) for m in marks]
    taken += [graph.add_input(v.aval.with_shape(v.aval.shape[1:])) for v in (*known, *xs)]
    with Builder(graph):
        new, stacked = step(*taken)
        for value in (*new, *stacked):
            graph.add_output(value)
    return scan(Subgraph(graph), carries, (), (*known, *xs), length, reverse)

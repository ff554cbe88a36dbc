"""Gradients of a graph by the reverse walk: appends the nodes that compute them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from nngraph.ir.analysis import ancestors
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.reverse import Record, Walk, reverse
from nngraph.ops import add, ones_like

__all__ = ["gradients"]


def gradients(
    graph: Graph,
    outputs: Sequence[Value],
    wanted: Sequence[Value],
    seeds: Sequence[Value | None] = (),
) -> list[Value | None]:
    """Appends to ``graph`` what computes the gradients of ``outputs`` with respect to ``wanted``.

    New nodes carry the origin of the node that they differentiate, with the transform ``grad``.
    Applied again to its own results it gives higher derivatives.

    Args:
        graph: it grows at its end.
        outputs: floating point values; several are differentiated as their weighted sum.
        wanted: any values of the graph, intermediate ones too.
        seeds: for each output the cotangent, a value of its type; None or missing means ones, so
            that the gradient is that of the sum of its elements.

    Returns:
        For each wanted value its gradient, of its own type; None where no output depends on it in a
        differentiable way.

    Raises:
        TypeError: if an output is not of a floating point type, or a seed not of its output's type.
    """
    _check(outputs, seeds)
    inside = ancestors(outputs)
    records = [node for node in graph.nodes if node in inside]
    with Builder(graph) as builder:
        pairs = [
            (value, ones_like(value) if seed is None else seed)
            for value, seed in zip_longest(outputs, seeds)
        ]

        return reverse(records, pairs, wanted, add, _Origins(builder))


class _Origins(Walk):
    """Nodes of a gradient say what it is the gradient of."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def reached(self, record: Record, grads: list[Any], runs: bool) -> list[Any]:
        assert isinstance(record, Node)
        self._builder.origin = record.origin.through("grad")
        return grads


def _check(outputs: Sequence[Value], seeds: Sequence[Value | None]) -> None:
    if len(seeds) > len(outputs):
        raise TypeError(f"{len(seeds)} seeds were given for {len(outputs)} outputs")
    for value, seed in zip_longest(outputs, seeds):
        if not value.type.dtype.is_floating_point:
            raise TypeError(f"{value.type} has no gradient: only floating point values have one")
        if seed is not None and seed.type != value.type:
            raise TypeError(f"the seed of an output of {value.type} is {seed.type}; make it alike")

"""Evaluates a graph node by node with the operators' own NumPy definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Array
from nngraph.ir.refusals import REFUSALS, refusal

__all__ = ["NodeObserver", "evaluate"]

NodeObserver = Callable[[Node, tuple[Array, ...], tuple[Array, ...]], None]


def evaluate(
    graph: Graph, arguments: Sequence[Array], observer: NodeObserver | None = None
) -> tuple[Array, ...]:
    """The graph's results (outputs, then new states) for ``arguments``, one each parameter.

    ``observer(node, inputs, outputs)`` is called after each node. Arrays are freed after their
    last reader.

    Raises:
        IndexRangeError, ValueRangeError, IntegerDivisionError: if an operator meets a value that it
            does not take; the text names its origin.
    """
    live: dict[Value, Array] = dict(zip(graph.parameters, arguments, strict=True))
    kept = set(graph.results)
    pending = {v: len(v._uses) for n in graph.nodes for v in n.inputs}
    for node in graph.nodes:
        inputs = tuple(live[v] for v in node.inputs)
        try:
            with np.errstate(all="ignore"):  # NaN and infinity are results like others
                outputs = node.op.eval(*inputs)
        except REFUSALS as error:  # say whose value it is
            where = f"\n    in {node.op.name} at {node.origin}" if str(node.origin) else ""
            raise refusal(error, where) from None
        if observer is not None:
            observer(node, inputs, outputs)
        live.update((v, a) for v, a in zip(node.outputs, outputs, strict=True) if v.is_used)
        for value in node.inputs:
            pending[value] -= 1
            if not pending[value] and value not in kept:
                live.pop(value, None)
    return tuple(live[v] for v in graph.results)

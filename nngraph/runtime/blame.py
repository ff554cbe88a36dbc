"""Says in the user's terms where a call failed."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.ir.graph import Graph
from nngraph.ir.op import Array

__all__ = ["located"]


def located(error: IndexError, graph: Graph, arguments: Sequence[Array]) -> IndexError:
    """The error of the operator in the traced graph that met the index; ``error`` if none does.

    A backend knows its own kernels. The traced graph, evaluated again in NumPy, knows the
    operator that the user called, its module and the line.

    Args:
        error: what the backend raised.
        graph: the traced graph.
        arguments: of the call, one for each parameter of the graph.
    """
    from nngraph.ir.evaluate import evaluate

    try:
        evaluate(graph, arguments)
    except IndexError as found:
        return found
    return error

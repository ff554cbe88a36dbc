"""Says in the user's terms where a call failed."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.refusals import REFUSALS, refusal

__all__ = ["located"]


def located(error: Exception, graph: Graph | None, arguments: Sequence[Array]) -> Exception:
    """The error of the operator in the traced graph that met the value; ``error`` if none does.

    A backend knows its own kernels. The traced graph, evaluated again in NumPy, knows the
    operator that the user called, its module and the line.

    Args:
        error: what the backend raised.
        graph: the traced graph, if it is there.
        arguments: of the call, one for each parameter of the graph.
    """
    if graph is None:
        return refusal(error)
    try:
        evaluate(graph, arguments)
    except REFUSALS as found:
        return found
    return refusal(error)

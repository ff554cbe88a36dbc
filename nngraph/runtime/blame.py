"""Says in the user's terms where a call failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.ir.graph import Graph
from nngraph.ir.op import Array

__all__ = ["located"]


def located(
    error: IndexError,
    graph: Graph,
    inputs: Sequence[Array],
    scalars: Sequence[float],
    states: Sequence[Array],
) -> IndexError:
    """The error of the operator in the traced graph that met the index; ``error`` if none does.

    A backend knows its own kernels. The traced graph, evaluated again in NumPy, knows the
    operator that the user called, its module and the line.
    """
    from nngraph.ir.evaluate import evaluate

    numbers = [
        np.asarray(s, v.type.dtype.numpy)
        for s, v in zip(scalars, graph.scalars.values(), strict=True)
    ]
    try:
        evaluate(graph, (*inputs, *numbers, *states))
    except IndexError as found:
        return found
    return error

"""Finds NaN and infinity in a call before its state is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.ir.graph import Graph
from nngraph.ir.op import Array

__all__ = ["NonFiniteError", "check_finite"]


class NonFiniteError(FloatingPointError):
    """A call met NaN or infinity; its state was not changed."""


def _is_finite(array: Array) -> bool:
    return array.dtype.kind in "iub" or bool(np.isfinite(array).all())


def check_finite(
    graph: Graph,
    inputs: Sequence[Array],
    scalars: Sequence[float],
    states: Sequence[Array],
    outputs: Sequence[Array],
    after: Sequence[Array],
) -> None:
    """Passes if all arguments and results are finite.

    Raises:
        NonFiniteError: naming the argument, or the first operator that made a value that is not
            finite, with its module and the user's line. The graph is evaluated again for that.
    """
    if all(map(_is_finite, (*inputs, *outputs, *after))):
        return
    from nngraph.interpreter import first_nonfinite

    numbers = [
        np.asarray(s, v.type.dtype.numpy)
        for s, v in zip(scalars, graph.scalars.values(), strict=True)
    ]
    found = first_nonfinite(graph, (*inputs, *numbers, *states))
    what = str(found) if found is not None else "a result (not reproduced by the reference)"
    raise NonFiniteError(
        f"NaN or infinity in {what}. The call was given up and all state is as it was before it."
    )

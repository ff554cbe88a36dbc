"""Finds NaN and infinity in a call before its state is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nngraph.ir.graph import Graph
from nngraph.ir.op import Array

__all__ = ["NonFiniteError", "are_finite", "nonfinite"]


class NonFiniteError(FloatingPointError):
    """A call met NaN or infinity; its state was not changed."""


def are_finite(arrays: Iterable[Array]) -> bool:
    """True if no array holds NaN or infinity."""
    return all(a.dtype.kind in "iub" or bool(np.isfinite(a).all()) for a in arrays)


def nonfinite(graph: Graph | None, arguments: Sequence[Array]) -> NonFiniteError:
    """The error of a call that met NaN or infinity.

    It names the argument, or the first operator that made a value that is not finite, with its
    module and the user's line. The graph is evaluated again for that.

    Args:
        graph: the traced graph, if it is there.
        arguments: of the call, one for each parameter of the graph.
    """
    from nngraph.interpreter import first_nonfinite

    found = None if graph is None else first_nonfinite(graph, arguments)
    what = str(found) if found is not None else "a result (not reproduced by the reference)"
    return NonFiniteError(
        f"NaN or infinity in {what}. The call was given up and all state is as it was before it."
    )

"""Checks the graph between passes."""

from __future__ import annotations

from nngraph.ir.graph import Graph
from nngraph.ir.verify import InvalidGraph, verify
from nngraph.passes.base import Pass

__all__ = ["verify_after"]


def verify_after(step: Pass, graph: Graph, changes: int) -> None:
    """An observer that runs the verifier: ``pipeline.observed(verify_after)``.

    Raises:
        InvalidGraph: with a note that names the pass.
    """
    try:
        verify(graph)
    except InvalidGraph as error:
        error.add_note(f"the graph was left so by the pass {step.name!r} ({changes} changes)")
        raise

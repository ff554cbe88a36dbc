"""Two ways to write one node, chosen at run time: the fast one where every number is finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nngraph.backends.onnx.emission import Site
from nngraph.backends.onnx.model import OnnxGraph
from nngraph.backends.onnx.writer import Writer

__all__ = ["branches", "if_finite"]

Build = Callable[[Site], Sequence[str]]


def if_finite(s: Site, x: str, fast: Build, exact: Build) -> list[str]:
    """``fast`` if all elements of ``x`` are finite and so is their sum, else ``exact``.

    The test is one sum over x, far cheaper than looking for NaN in every step of a kernel.
    """
    total = s("ReduceSum", x, keepdims=0)
    broken = s("IsNaN", s("Sub", total, total))
    return branches(s, broken, exact, fast)


def branches(s: Site, condition: str, then: Build, otherwise: Build) -> list[str]:
    """One of two ways to write the node's results, by a scalar bool."""
    graphs = {"then_branch": _branch(s, then), "else_branch": _branch(s, otherwise)}
    types = [t.dtype for t in s.results]
    return s.writer.ops("If", (condition,), len(types), types, **graphs)


def _branch(s: Site, build: Build) -> OnnxGraph:
    inner = Writer(s.writer)
    names = build(replace(s, writer=inner))
    results = []
    for name, kind in zip(names, s.results, strict=True):
        result = inner.cast(name, kind.dtype)
        if not any(result in node.outputs for node in inner.nodes):
            result = inner.op("Identity", result)  # what the outer graph made needs a copy
        results.append((result, kind))
    return OnnxGraph(inner.fresh("branch"), inner.nodes, [], results)

"""The reference backend: no lowering, no code, only ``eval`` of one node after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.base import Backend, Gap, Target
from nngraph.backends.reference.sizes import with_sizes
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.signature import signature_of
from nngraph.passes.base import Pipeline

__all__ = ["ReferenceBackend", "ReferenceExecutable", "backend"]


class ReferenceExecutable:
    """Evaluates a graph; new states and outputs never share memory with what was passed in.

    A graph of symbolic sizes is copied with numbers for them, once for each set of sizes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.signature = signature_of(graph)
        self._sized: dict[frozenset[tuple[str, int]], Graph] = {}

    def _graph(self, inputs: Sequence[Array]) -> Graph:
        sizes = self.signature.sizes(inputs)
        if not sizes:
            return self.graph
        key = frozenset(sizes.items())
        if key not in self._sized:
            self._sized[key] = with_sizes(self.graph, sizes)
        return self._sized[key]

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        signature = self.signature
        arguments = signature.arguments(inputs, scalars, states)
        results = evaluate(self._graph(inputs), arguments)
        count = len(signature.outputs)
        outputs = [np.array(a, order="C") for a in results[:count]]
        pairs = zip(signature.states, results[count:], states, strict=True)
        new = [np.array(a, order="C") if s.is_changed else old for s, a, old in pairs]
        return outputs, new


class ReferenceBackend:
    """NumPy. It knows every operator, so it has no gaps; ``emit`` keeps the graph as it is."""

    name = "reference"

    def pipeline(self, target: Target) -> Pipeline:
        return Pipeline((), "reference")

    def unsupported(self, graph: Graph, target: Target) -> list[Gap]:
        gaps = (
            []
            if target.device == "cpu"
            else [Gap(f"the device {target.device!r}", "the target", 'use device="cpu"')]
        )
        return gaps + [
            Gap(f"the operator {node.op.name!r} has no eval", str(node.origin))
            for node in graph.nodes
            if not type(node.op).defines("eval")
        ]

    def emit(self, graph: Graph, target: Target) -> Graph:
        return graph

    def load(self, artifact: Any, target: Target) -> ReferenceExecutable:
        return ReferenceExecutable(artifact)


backend: Backend = ReferenceBackend()

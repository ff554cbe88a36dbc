"""The reference backend: no lowering, no code, only ``eval`` of one node after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nngraph.backends.artifact import read_artifact, write_artifact
from nngraph.backends.base import Backend, Gap, Target
from nngraph.backends.errors import ArtifactError
from nngraph.backends.watch import Piece, Recording, Stopwatch, most_at_a_time, parts_of
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Node
from nngraph.ir.op import Array
from nngraph.ir.parser import TextError, parse_graph
from nngraph.ir.signature import Signature, signature_of
from nngraph.ir.text import print_graph
from nngraph.ops import REGISTRY
from nngraph.passes.base import Pipeline
from nngraph.passes.sizes import with_sizes

__all__ = [
    "ReferenceArtifact",
    "ReferenceBackend",
    "ReferenceExecutable",
    "WatchedReference",
    "backend",
]

_FILE = "graph.txt"


@dataclass(frozen=True)
class ReferenceArtifact:
    """The graph itself; in a folder it is text, its constants included."""

    graph: Graph

    @cached_property
    def signature(self) -> Signature:
        return signature_of(self.graph)

    def write(self, folder: Path) -> None:
        text = print_graph(self.graph)
        write_artifact(folder, "reference", self.signature, {_FILE: [text.encode()]})

    @staticmethod
    def read(folder: Path) -> ReferenceArtifact:
        signature, files = read_artifact(folder, "reference")
        try:
            graph = parse_graph(files[_FILE].decode(), REGISTRY)
        except (KeyError, TextError) as error:
            raise ArtifactError(f"{folder / _FILE} is no graph: {error}") from None
        if signature_of(graph) != signature:
            raise ArtifactError(f"{folder} is damaged: its signature is not that of {_FILE}")
        return ReferenceArtifact(graph)


class ReferenceExecutable:
    """Evaluates a graph; new states and outputs never share memory with what was passed in.

    A graph of symbolic sizes is copied with numbers for them, once for each set of sizes.
    """

    def __init__(self, artifact: ReferenceArtifact) -> None:
        self.graph = artifact.graph
        self.signature = artifact.signature
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
        results = self._evaluated(self._graph(inputs), arguments)
        count = len(signature.outputs)
        outputs = [np.array(a, order="C") for a in results[:count]]
        pairs = zip(signature.states, results[count:], states, strict=True)
        new = [np.array(a, order="C") if s.is_changed else old for s, a, old in pairs]
        return outputs, new

    def _evaluated(self, graph: Graph, arguments: Sequence[Array]) -> tuple[Array, ...]:
        return evaluate(graph, arguments)


class WatchedReference(ReferenceExecutable):
    """Notes the time of each node."""

    def __init__(self, artifact: ReferenceArtifact) -> None:
        super().__init__(artifact)
        self._watch = Stopwatch()
        self._pieces: list[Piece] = []
        self._peak = 0

    def _evaluated(self, graph: Graph, arguments: Sequence[Array]) -> tuple[Array, ...]:
        self._pieces = [_piece(i, node) for i, node in enumerate(graph.nodes)]
        self._peak = peak_of(graph)
        place = 0
        self._watch.begin()
        last = time.perf_counter()

        def note(node: Node, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
            nonlocal place, last
            last = self._watch.note(place, last)
            place += 1

        results = evaluate(graph, arguments, note)
        self._watch.end()
        return results

    def recorded(self) -> Recording:
        return Recording(tuple(self._pieces), tuple(self._watch.turns), self._peak)

    def close(self) -> None:
        pass


def _piece(number: int, node: Node) -> Piece:
    nbytes = sum(value.type.nbytes for value in node.outputs)
    return Piece(f"{node.op.name}#{number}", node.op.name, parts_of([node]), nbytes)


def peak_of(graph: Graph) -> int:
    """The most bytes that values which a graph makes and does not give take at a time.

    Args:
        graph: of static sizes, evaluated in its order.
    """
    given = set(graph.results)
    last = {value: i for i, node in enumerate(graph.nodes) for value in node.inputs}
    sizes: list[tuple[int, int, int]] = []
    for i, node in enumerate(graph.nodes):
        own = (v for v in node.outputs if v not in given)
        sizes += [(i, last.get(v, i), v.type.nbytes) for v in own]
    return most_at_a_time(sizes)


class ReferenceBackend:
    """NumPy. It knows every operator, so it has no gaps; ``emit`` keeps the graph as it is."""

    name = "reference"

    def pipeline(self, target: Target) -> Pipeline:
        return Pipeline((), "reference")

    def emit(self, graph: Graph, target: Target) -> ReferenceArtifact | list[Gap]:
        gaps = [
            Gap(f"the operator {node.op.name!r} has no eval", str(node.origin))
            for node in graph.nodes
            if not type(node.op).defines("eval")
        ]
        return gaps or ReferenceArtifact(graph)

    def read(self, folder: Path) -> ReferenceArtifact:
        return ReferenceArtifact.read(folder)

    def load(self, artifact: ReferenceArtifact, target: Target) -> ReferenceExecutable:
        return ReferenceExecutable(artifact)

    def watch(self, artifact: ReferenceArtifact, target: Target) -> WatchedReference:
        return WatchedReference(artifact)


backend: Backend[ReferenceArtifact] = ReferenceBackend()

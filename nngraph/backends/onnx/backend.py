"""The ONNX backend: its pipeline, its emitter and its loader."""

from __future__ import annotations

from pathlib import Path

from nngraph.backends.base import Backend, Executable, Gap, Target
from nngraph.backends.cache import cache_folder
from nngraph.backends.onnx.artifact import DATA_FILE, OnnxArtifact
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emit import emit_model
from nngraph.backends.onnx.legalize import LEGALIZE, writable
from nngraph.backends.watch import Watched
from nngraph.ir.graph import Graph
from nngraph.passes.base import Pipeline
from nngraph.passes.pipelines import standard

__all__ = ["OnnxBackend", "backend"]


class OnnxBackend:
    """Standard ONNX for ONNX Runtime on the CPU."""

    name = "onnx"

    def pipeline(self, target: Target) -> Pipeline:
        return Pipeline((standard(keep=writable), *LEGALIZE), "onnx")

    def emit(self, graph: Graph, target: Target) -> OnnxArtifact | list[Gap]:
        made = emit_model(graph, Choices(threads=target.thread_count))
        if isinstance(made, list):
            return made
        from nngraph.backends.onnx.proto import serialized

        model, data = serialized(made, DATA_FILE)
        return OnnxArtifact(model, made.signature, tuple(data))

    def read(self, folder: Path) -> OnnxArtifact:
        return OnnxArtifact.read(folder)

    def load(self, artifact: OnnxArtifact, target: Target) -> Executable:
        from nngraph.backends.onnx.load import OnnxExecutable

        return OnnxExecutable(
            artifact, target.thread_count, target.in_place, cache=cache_folder(target)
        )

    def watch(self, artifact: OnnxArtifact, target: Target) -> Watched:
        from nngraph.backends.onnx.watch import WatchedModel

        return WatchedModel(artifact, target.thread_count, target.in_place)


backend: Backend[OnnxArtifact] = OnnxBackend()

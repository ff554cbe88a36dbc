"""The ONNX backend: its pipeline, its gaps, its emitter and its loader."""

from __future__ import annotations

import os
from typing import Any

from nngraph.backends.base import Backend, Executable, Gap, Target
from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.emit import OnnxArtifact, emit_graph, find_gaps
from nngraph.backends.onnx.legalize import LEGALIZE, writable
from nngraph.ir.graph import Graph
from nngraph.passes.base import Pipeline
from nngraph.passes.pipelines import standard

__all__ = ["OnnxBackend", "backend", "threads_of"]


def threads_of(target: Target) -> int:
    """Threads that a session runs on: as told, or one for each core this process may use."""
    if target.threads is not None:
        return max(1, target.threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxBackend:
    """Standard ONNX for ONNX Runtime on the CPU."""

    name = "onnx"

    def pipeline(self, target: Target) -> Pipeline:
        return Pipeline((standard(keep=writable), *LEGALIZE), "onnx")

    def unsupported(self, graph: Graph, target: Target) -> list[Gap]:
        gaps = find_gaps(graph, self._choices(target))
        if target.device != "cpu":
            fix = "use device='cpu'"
            gaps.insert(0, Gap(f"the device {target.device!r} is not available", "the target", fix))
        return gaps

    def emit(self, graph: Graph, target: Target) -> OnnxArtifact:
        return emit_graph(graph, self._choices(target))

    def load(self, artifact: Any, target: Target) -> Executable:
        from nngraph.backends.onnx.load import OnnxExecutable

        return OnnxExecutable(artifact, threads_of(target), in_place=target.in_place)

    @staticmethod
    def _choices(target: Target) -> Choices:
        return Choices(threads=threads_of(target))


backend: Backend = OnnxBackend()

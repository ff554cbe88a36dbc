"""TVM as a kernel compiler on the CPU: fuse, emit a program, compile its kernels, run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nngraph.backends.base import Backend, Gap, Target
from nngraph.backends.cache import cache_folder
from nngraph.backends.tvm.artifact import TvmArtifact
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.ffi import import_ffi
from nngraph.backends.tvm.fuse.kernels import FuseKernels
from nngraph.backends.tvm.legalize import Legalize
from nngraph.backends.tvm.library import compile_library
from nngraph.backends.tvm.looping import Kernel
from nngraph.backends.tvm.lower.requests import kernel_requests
from nngraph.backends.tvm.lower.table import is_lowered
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.parts import Parts
from nngraph.backends.tvm.program.emit import emit_program
from nngraph.backends.tvm.program.program import Program
from nngraph.backends.tvm.threads import ThreadCount, resolve_threads
from nngraph.backends.tvm.turned import TurnedWeights
from nngraph.backends.tvm.watch import WatchedProgram
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ops.fused import Fused
from nngraph.ops.scan import Scan
from nngraph.passes.base import Pass, Pipeline
from nngraph.passes.blocked import BlockedProducts
from nngraph.passes.dce import DeadCode
from nngraph.passes.nested import Everywhere, InBodies
from nngraph.passes.pipelines import standard

__all__ = ["TvmBackend", "backend"]

MAX_ELEMENTS = 1 << 31

# What follows decomposition, first in the bodies of loops: later, kernels hold graphs, too.
KERNEL_PASSES: tuple[Pass, ...] = (
    BlockedProducts(),
    Legalize(),
    Parts(),
    DeadCode(),
    FuseKernels(),
    DeadCode(),
)


def keep_lowered(node: Node) -> bool:
    """Keeps what has a kernel, and loops, which run as programs of their own."""
    return is_lowered(node.op) or isinstance(node.op, Scan)


class TvmBackend:
    """Writes and schedules its own kernels; TVM turns them into machine code."""

    name = "tvm"

    def pipeline(self, target: Target) -> Pipeline:
        bodies = InBodies(Pipeline(KERNEL_PASSES, "kernels of a loop"))
        loops = (Everywhere(TurnedWeights()), bodies)
        return Pipeline((standard(keep_lowered), *loops, *KERNEL_PASSES), "tvm")

    def emit(self, graph: Graph, target: Target) -> TvmArtifact | list[Gap]:
        return _graph_gaps(graph) or TvmArtifact(emit_program(graph, target.in_place))

    def read(self, folder: Path) -> TvmArtifact:
        return TvmArtifact.read(folder)

    def load(self, artifact: TvmArtifact, target: Target) -> TvmExecutable:
        return TvmExecutable(artifact.program, *_loaded(artifact.program, target))

    def watch(self, artifact: TvmArtifact, target: Target) -> WatchedProgram:
        return WatchedProgram(artifact.program, *_loaded(artifact.program, target))


def _loaded(program: Program, target: Target) -> tuple[Sequence[Kernel], ThreadCount]:
    """A program's kernels, compiled for this machine, and the threads that they use."""
    import_ffi()
    threads = ThreadCount(resolve_threads(target.wanted_threads))
    machine = Machine.host()
    requests = kernel_requests(program, machine)
    library = compile_library(requests, machine, cache_directory=cache_folder(target))
    return library.functions, threads


def _graph_gaps(graph: Graph) -> list[Gap]:
    gaps: list[Gap] = []
    for value in graph.parameters:
        gaps += _type_gaps(value, f"parameter {value.hint!r}")
    for node in graph.nodes:
        if not (isinstance(node.op, Fused | Scan) or is_lowered(node.op)):
            gaps.append(Gap(f"the operator {node.op.name!r}", str(node.origin), node.op.advice))
        if isinstance(node.op, Scan):
            gaps += _graph_gaps(node.op.body.graph)
        for value in node.outputs:
            gaps += _type_gaps(value, str(node.origin))
    return gaps


def _type_gaps(value: Value, where: str) -> list[Gap]:
    if not value.type.is_static:
        fix = "compile it for concrete shapes: one program for each is kept"
        return [Gap(f"the symbolic shape of {value.type}", where, fix)]
    if int(str(value.type.size)) >= MAX_ELEMENTS:
        return [Gap(f"the size of {value.type}", where, "use tensors of fewer than 2**31 elements")]
    return []


backend: Backend[TvmArtifact] = TvmBackend()

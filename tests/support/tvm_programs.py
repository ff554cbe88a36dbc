"""Runs many graphs on the TVM backend with one compilation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph import ops
from nngraph.backends.base import Target
from nngraph.backends.tvm.artifact import TvmArtifact
from nngraph.backends.tvm.backend import backend
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.library import KernelRequest, compile_library
from nngraph.backends.tvm.lower.table import build_kernel
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import Program
from nngraph.backends.tvm.threads import ThreadCount
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Op
from nngraph.ir.types import tensor_type, type_of_array
from nngraph.ir.verify import verify
from nngraph.passes.base import Context


def graph_of(op: Op, arrays: Sequence[np.ndarray[Any, Any]]) -> Graph:
    """One operator, its operands as inputs and all of its results as outputs."""
    graph = Graph("one")
    node = graph.add_node(op, [graph.add_input(type_of_array(a)) for a in arrays])
    for value in node.outputs:
        graph.add_output(value)
    return graph


def emit(graph: Graph, in_place: bool = True) -> Program:
    """Runs the pipeline on the graph itself, verifies it, and emits."""
    target = Target("tvm", in_place=in_place)
    backend.pipeline(target).observed(lambda _p, g, _n: verify(g)).run(graph, Context())
    artifact = backend.emit(graph, target)
    assert isinstance(artifact, TvmArtifact), artifact
    return artifact.program


def load_all(programs: Sequence[Program]) -> list[TvmExecutable]:
    """Executables of programs whose kernels are compiled together."""
    machine = Machine.host()
    specs = [spec for p in programs for spec in p.all_kernels]
    requests = [KernelRequest(s.key, lambda s=s: build_kernel(s, machine)) for s in specs]
    functions = iter(compile_library(requests, machine).functions)
    return [
        TvmExecutable(p, [next(functions) for _ in p.all_kernels], ThreadCount(1)) for p in programs
    ]


def lookup_step() -> Graph:
    """The body of a loop: counts, and takes the row of a table that an index names."""
    body = Graph("step")
    count, table = body.add_input(tensor_type("i64")), body.add_input(tensor_type("f32", (5, 4)))
    index = body.add_input(tensor_type("i64", (1,)))
    with Builder(body):
        body.add_output(ops.add(count, 1))
        body.add_output(ops.take(table, index, 0))
    return body

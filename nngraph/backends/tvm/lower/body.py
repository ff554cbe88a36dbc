"""Fused elementwise operators and reductions."""

from __future__ import annotations

from nngraph.backends.tvm.codegen.body.plan import BodySpec, plan_body
from nngraph.backends.tvm.loops.base import PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.machine import PARALLEL_WORK, Machine
from nngraph.backends.tvm.program.program import KernelSpec, Table
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.graph import Graph
from nngraph.ops.fused import Fused

__all__ = ["build_body", "build_listed"]


def build_body(body: Graph, aliases: tuple[tuple[int, int], ...], machine: Machine) -> PrimFunc:
    """The kernel of a body, whose results may be its inputs' buffers."""
    return build(BodySpec.of(body, aliases), machine)


def build_listed(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a body over all tensors of a table."""
    from nngraph.backends.tvm.codegen.body.listed import build_listed as written

    assert isinstance(spec.op, Fused)
    work = PARALLEL_WORK if spec.table is Table.PARALLEL else 0
    return written(plan_body(spec.op.body.graph), spec.aliases, work, loops_for(machine))

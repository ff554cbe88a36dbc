"""Fused elementwise operators and reductions."""

from __future__ import annotations

from nngraph.backends.tvm.codegen.body.plan import BodySpec
from nngraph.backends.tvm.loops.base import PrimFunc
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.graph import Graph

__all__ = ["build_body"]


def build_body(body: Graph, aliases: tuple[tuple[int, int], ...], machine: Machine) -> PrimFunc:
    """The kernel of a body, whose results may be its inputs' buffers."""
    return build(BodySpec.of(body, aliases), machine)

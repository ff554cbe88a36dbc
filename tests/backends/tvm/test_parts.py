"""Pieces become slices that kernels read in place, of what is in memory; others stay."""

from __future__ import annotations

import numpy as np
import pytest

from nngraph.backends.tvm.parts import Parts
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY
from nngraph.passes.base import Context
from nngraph.passes.dce import DeadCode

HALVES = "%a: f32[4,3], %b: f32[4,3] = split(%x) {axis=1, sizes=(3, 3)}"
LEFT, RIGHT = (
    f"slice(%{{}}) {{{{starts=(0, {start}), sizes=(4, 3), steps=(1, 1)}}}}" for start in (0, 3)
)


def rewritten(body: str) -> list[str]:
    graph = parse_graph(f"graph g {{\n{body}\n}}", REGISTRY)
    before = graph.clone()
    Parts().run(graph, Context())
    DeadCode().run(graph, Context())
    verify(graph)
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(1, 9, v.type.static_shape).astype(v.type.dtype.numpy) for v in graph.inputs
    ]
    for got, want in zip(evaluate(graph, arrays), evaluate(before, arrays), strict=True):
        np.testing.assert_array_equal(got, want)
    return names(graph)


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


CASES: dict[str, tuple[str, list[str]]] = {
    "pieces of a tensor": (
        f"""
      input %x: f32[4,6]
      {HALVES}
      %y: f32[4,3] = mul(%a, %b)
      output %y""",
        ["slice", "slice", "mul"],
    ),
    "a piece that a product reads": (
        f"""
      input %x: f32[4,6]
      {HALVES}
      %e: f32[4,3] = exp(%a)
      %y: f32[4,4] = matmul(%e, %b) {{transpose_a=false, transpose_b=true}}
      output %y""",
        ["split", "exp", "matmul"],
    ),
    "pieces of integers": (
        """
      input %x: i32[4,6]
      %a: i32[4,3], %b: i32[4,3] = split(%x) {axis=1, sizes=(3, 3)}
      %y: i32[4,3] = mul(%a, %b)
      output %y""",
        ["split", "mul"],
    ),
    "a piece without elements": (
        """
      input %x: f32[4,6]
      %a: f32[4,6], %b: f32[4,0] = split(%x) {axis=1, sizes=(6, 0)}
      %y: f32[4,6] = neg(%a)
      output %y
      output %b""",
        ["split", "neg"],
    ),
    "pieces of a sum": (
        f"""
      input %p: f32[4,6]
      input %q: f32[6]
      %x: f32[4,6] = add(%p, %q)
      {HALVES}
      %y: f32[4,3] = mul(%a, %b)
      output %y""",
        ["slice", "slice", "add", "slice", "slice", "add", "mul"],
    ),
    "an operand that is the same for all": (
        f"""
      input %p: f32[4,6]
      input %r: f32[4,1]
      %x: f32[4,6] = add(%p, %r)
      {HALVES}
      %y: f32[4,3] = mul(%a, %b)
      output %y""",
        ["slice", "add", "slice", "add", "mul"],
    ),
    "a sum that is read whole, too": (
        f"""
      input %p: f32[4,6]
      %x: f32[4,6] = add(%p, %p)
      {HALVES}
      %y: f32[4,3] = mul(%a, %b)
      output %y
      output %x""",
        ["add", "slice", "slice", "mul"],
    ),
    "a sum behind a product": (
        f"""
      input %p: f32[4,6]
      input %w: f32[6,6]
      %m: f32[4,6] = matmul(%p, %w) {{transpose_a=false, transpose_b=false}}
      %x: f32[4,6] = add(%m, %p)
      {HALVES}
      %y: f32[4,3] = mul(%a, %b)
      output %y""",
        ["matmul", "add", "slice", "slice", "mul"],
    ),
    "parts that overlap": (
        f"""
      input %p: f32[4,6]
      %x: f32[4,6] = add(%p, %p)
      %a: f32[4,3] = {LEFT.format("x")}
      %b: f32[4,3] = {RIGHT.format("x")}
      %c: f32[4,3] = {LEFT.format("x")}
      %d: f32[4,3] = mul(%a, %b)
      %y: f32[4,3] = mul(%c, %d)
      output %y""",
        ["add", "slice", "slice", "slice", "mul", "mul"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parts(name: str) -> None:
    body, wanted = CASES[name]
    assert rewritten(body) == wanted

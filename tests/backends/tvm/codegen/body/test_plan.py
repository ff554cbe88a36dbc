"""What a fused body keeps from one sweep to the next, and how much work it is."""

from __future__ import annotations

import pytest

from nngraph.backends.tvm.codegen.body.plan import MAX_SCRATCH, BodyPlan, plan_body
from nngraph.ir.parser import parse_graph
from nngraph.ops import REGISTRY


def _plan(middle: str, size: int = 64) -> BodyPlan:
    """``y / sum(y)`` of a row's ``y = middle(x)``."""
    wide, row = f"f32[4,{size}]", "f32[4,1]"
    text = f"""
      input %x: {wide}
      %y: {wide} = {middle}
      %s: {row} = sum(%y) {{axes=(1,), keepdims=true}}
      %z: {wide} = div(%y, %s)
      output %z"""
    return plan_body(parse_graph(f"graph g {{{text}\n}}", REGISTRY))


def _staged(plan: BodyPlan) -> list[str]:
    return [v.producer.op.name for v in plan.staged if v.producer]


@pytest.mark.parametrize("name", ["exp", "tanh", "erf", "log1p", "sin", "acosh"])
def test_a_function_that_a_later_sweep_reads_is_kept(name: str) -> None:
    assert _staged(_plan(f"{name}(%x)")) == [name]


@pytest.mark.parametrize("name", ["neg", "abs", "relu", "sqrt", "reciprocal"])
def test_what_costs_little_is_computed_again(name: str) -> None:
    assert _staged(_plan(f"{name}(%x)")) == []


def test_a_row_that_is_too_long_for_the_cache_is_computed_again() -> None:
    longest = MAX_SCRATCH // 4
    assert _staged(_plan("exp(%x)", longest)) == ["exp"]
    assert _staged(_plan("exp(%x)", longest + 1)) == []


def test_functions_count_as_eight_operators() -> None:
    cheap, slow, heavy = (_plan(f"{name}(%x)").work() for name in ("neg", "sqrt", "exp"))
    assert cheap == slow == 4 * 64 * 3
    assert heavy == 4 * 64 * (8 + 2)

"""What is counted as costly shows in kernels: kept from sweep to sweep, spread over threads."""

from __future__ import annotations

from collections.abc import Callable

from nngraph import ops
from nngraph.backends.tvm.codegen.body.plan import BodyPlan, BodySpec
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import float32
from nngraph.ir.graph import Graph, Value
from nngraph.ir.types import TensorType

Function = Callable[[Value], Value]
MACHINE = Machine.named("x86-64-v3")


def normalized(function: Function, rows: int = 64, columns: int = 64) -> BodySpec:
    """``function(x) / sum(function(x))`` of each row: two sweeps read the function."""
    graph = Graph("body")
    x = graph.add_input(TensorType(float32, (rows, columns)))
    with Builder(graph):
        made = function(x)
        graph.add_output(ops.div(made, ops.sum(made, (1,), True)))
    return BodySpec.of(graph)


def pointwise(function: Function, elements: int) -> BodySpec:
    graph = Graph("body")
    x = graph.add_input(TensorType(float32, (elements,)))
    with Builder(graph):
        graph.add_output(function(x))
    return BodySpec.of(graph)


def staged(spec: BodySpec) -> list[str]:
    plan = spec.plan
    assert isinstance(plan, BodyPlan)
    return [v.producer.op.name for v in plan.staged if v.producer is not None]


def text(spec: BodySpec) -> str:
    return str(build(spec, MACHINE).script())


def test_a_costly_value_is_kept_for_the_next_sweep() -> None:
    costly, cheap = normalized(ops.exp), normalized(ops.neg)
    assert (staged(costly), staged(cheap)) == (["exp"], [])
    # four vectors at a time: in the first sweep only, and in both
    assert text(costly).count("T.exp(") == 4
    assert text(cheap).count("data.neg.float32(") == 8


def test_a_row_that_the_cache_cannot_hold_is_computed_again() -> None:
    assert staged(normalized(ops.exp, columns=1 << 15)) == ["exp"]
    assert staged(normalized(ops.exp, columns=1 << 17)) == []


def test_costly_work_is_worth_threads_sooner() -> None:
    elements = 4 * 4096  # in four tasks
    costly, cheap = pointwise(ops.tanh, elements), pointwise(ops.neg, elements)
    assert (costly.work, cheap.work) == (8 * elements, elements)
    assert "T.parallel" in text(costly)
    assert "T.parallel" not in text(cheap)

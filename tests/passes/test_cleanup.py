"""Dead code, common subexpressions, folding: text before and after."""

from __future__ import annotations

import numpy as np
import pytest

from nngraph import ops
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type
from nngraph.ir.verify import verify
from nngraph.passes.base import Context, Pass
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.fold import FoldConstants
from tests.passes.goldens import c, g
from tests.passes.test_goldens import graph_of, text_of


def check(step: Pass, before: str, after: str, changes: int) -> None:
    graph = graph_of(g(before))
    assert step.run(graph, Context()) == changes
    verify(graph)
    assert text_of(graph) == text_of(graph_of(g(after)))


def test_dead_chains_go_and_parameters_stay() -> None:
    check(
        DeadCode(),
        "x f32[2]; w f32[2]; a f32[2] = neg(%w); b f32[2] = abs(%a); > %x",
        "x f32[2]; w f32[2]; > %x",
        2,
    )


def test_nodes_with_one_read_output_stay() -> None:
    text = "x f32[2]; a f32[1], %b: f32[1] = split(%x) {axis=0, sizes=(1, 1)}; > %b"
    check(DeadCode(), text, text, 0)


def test_values_of_states_are_not_dead() -> None:
    graph = Graph()
    value = graph.add_state("w", tensor_type("f32"))
    with Builder(graph):
        graph.set_state("w", ops.neg(value))
        ops.abs(value)
    assert DeadCode().run(graph, Context()) == 1 and len(graph) == 1


def test_equal_nodes_become_one() -> None:
    check(
        CommonSubexpressions(),
        "x f32[2]; w f32[2]; a f32[2] = add(%x, %w); b f32[2] = add(%w, %x); "
        "p f32[2] = neg(%a); q f32[2] = neg(%b); > %p %q",
        "x f32[2]; w f32[2]; a f32[2] = add(%x, %w); p f32[2] = neg(%a); > %p %p",
        2,
    )


@pytest.mark.parametrize(
    "text",
    [
        "x f32[2]; w f32[2]; a f32[2] = sub(%x, %w); b f32[2] = sub(%w, %x); > %a %b",
        "x f32[2]; a f32[2] = neg(%x); b f32[2] = abs(%x); > %a %b",
        c(0.0) + "; d f32[] = full() {value=-0.0, dtype=f32, shape=()}; > %c %d",
        c(1) + "; d f32[] = full() {value=1.0, dtype=f32, shape=()}; > %c %d",
        "x f32[2,2]; a f32[2] = sum(%x) {axes=(0,), keepdims=false}; "
        "b f32[2] = sum(%x) {axes=(1,), keepdims=false}; > %a %b",
    ],
)
def test_nodes_that_differ_stay_apart(text: str) -> None:
    check(CommonSubexpressions(), text, text, 0)


def test_a_loop_stacks_a_value_once() -> None:
    body = graph_of(g("h f32[2]; x f32[2]; n f32[2] = add(%h, %x); > %n %n %x %n"))
    graph = Graph()
    start, xs = (graph.add_input(tensor_type("f32", s)) for s in ((2,), (3, 2)))
    with Builder(graph):
        for value in ops.scan(Subgraph(body), [start], [], [xs], 3):
            graph.add_output(value)
    assert CommonSubexpressions().run(graph, Context()) == 1
    assert graph.outputs[1] is graph.outputs[3] and graph.outputs[1] is not graph.outputs[2]
    assert DeadCode().run(graph, Context()) == 1
    verify(graph)
    (scan,) = [n.op for n in graph.nodes if isinstance(n.op, ops.Scan)]
    assert len(scan.body.graph.outputs) == 3


def test_nan_constants_are_one() -> None:
    check(
        CommonSubexpressions(),
        c("nan") + "; d f32[] = full() {value=nan, dtype=f32, shape=()}; > %c %d",
        c("nan") + "; > %c %c",
        1,
    )


def bits(name: str, state: str) -> str:
    return f"{name} u32[4] = random_bits(%{state}) {{shape=(4,)}}; "


def test_random_bits_of_one_state_are_one_and_of_two_are_not() -> None:
    start = "k u32[3]; l u32[3]; " + bits("a", "k")
    check(CommonSubexpressions(), start + bits("b", "k") + "> %a %b", start + "> %a %a", 1)
    other = start + bits("b", "l") + "> %a %b"
    check(CommonSubexpressions(), other, other, 0)


def two(value: object) -> str:
    return f"y f32[2] = full() {{value={value}, dtype=f32, shape=(2,)}}; > %y"


def test_one_number_stays_one_number_whatever_the_shape() -> None:
    huge = "shape=(1000000, 1000000)"
    graph = graph_of(
        g(
            f"a f32[1000000,1000000] = full() {{value=2.0, dtype=f32, {huge}}}; "
            "b f32[1000000,1000000] = mul(%a, %a); > %b"
        )
    )
    assert FoldConstants().run(graph, Context()) == 1
    DeadCode().run(graph, Context())
    assert text_of(graph) == g(
        f"b f32[1000000,1000000] = full() {{value=4.0, dtype=f32, {huge}}}; > %b"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (c(2.0) + "; y f32[2] = broadcast_to(%c) {shape=(2,)}; > %y", two(2.0)),
        (
            c(2) + "; y i32[] = cast(%c) {dtype=i32}; > %y",
            "y i32[] = full() {value=2, dtype=i32, shape=()}; > %y",
        ),
        (
            "a i64[3] = iota() {dtype=i64, shape=(3,), axis=0}; y i64[3] = mul(%a, %a); > %y",
            "y i64[3] = constant() {literal=i64[3][0,1,4]}; > %y",
        ),
        (
            "a f32[4] = constant() {literal=f32[4][1.0,1.0,1.0,1.0]}; > %a",
            "a f32[4] = full() {value=1.0, dtype=f32, shape=(4,)}; > %a",
        ),
        (
            "a f32[n] = full() {value=1.0, dtype=f32, shape=(<n>,)}; y f32[n] = neg(%a); > %y",
            "y f32[n] = full() {value=-1.0, dtype=f32, shape=(<n>,)}; > %y",
        ),
        (
            "a f32[2] = full() {value=1.0, dtype=f32, shape=(2,)}; "
            'y f32[3] = pad(%a) {pads=((0, 1),), mode="constant", value=0.0}; > %y',
            "y f32[3] = constant() {literal=f32[3][1.0,1.0,0.0]}; > %y",
        ),
    ],
)
def test_folding(before: str, after: str) -> None:
    graph = graph_of(g(before))
    assert FoldConstants().run(graph, Context()) >= 1
    DeadCode().run(graph, Context())
    verify(graph)
    assert text_of(graph) == g(after)


@pytest.mark.parametrize(
    "text",
    [
        "a i64[100000] = iota() {dtype=i64, shape=(100000,), axis=0}; "
        "y i64[100000] = mul(%a, %a); > %y",  # the literal would be large
        "a f32[9000000] = iota() {dtype=f32, shape=(9000000,), axis=0}; "
        "y f32[] = sum(%a) {axes=(0,), keepdims=false}; > %y",  # the operand would be
        "a i64[n] = iota() {dtype=i64, shape=(<n>,), axis=0}; y i64[n] = neg(%a); > %y",
        "x f32[2]; " + c(1.0) + "; y f32[2] = add(%x, %c); > %y",
        c(1, "i32") + "; z i32[] = full() {value=0, dtype=i32, shape=()}; "
        "y i32[] = floor_divide(%c, %z); > %y",  # fails, now and when it runs
    ],
)
def test_what_is_not_folded(text: str) -> None:
    check(FoldConstants(), text, text, 0)


def test_a_large_literal_is_folded_only_if_it_goes_away() -> None:
    def graph(also: bool) -> Graph:
        out = Graph()
        like = out.add_input(tensor_type("f32"))
        with Builder(out):
            big = ops.constant(np.arange(30_000, dtype=np.float32), like)
            out.add_output(ops.neg(big))
            if also:
                out.add_output(big)
        return out

    assert FoldConstants().run(graph(False), Context()) == 1
    assert FoldConstants().run(graph(True), Context()) == 0

from __future__ import annotations

import pytest

from nngraph import ops
from nngraph.ir.graph import Graph
from nngraph.ir.op import Trait
from nngraph.ir.origin import Origin
from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.passes.base import Context, Event
from nngraph.passes.pattern import Rule, any_node, node, splat
from nngraph.passes.rewrite import Rewrite, RewriteLimit
from tests.passes.goldens import g
from tests.passes.test_goldens import graph_of, text_of

NEG_NEG = Rule("neg(neg(x)) = x", lambda x: node(ops.Neg, node(ops.Neg, x)), lambda m: m.x)


def chain(length: int) -> Graph:
    graph = Graph()
    value = graph.add_input(tensor_type("f32", (2,)), "x")
    for i in range(length):
        value = graph.add_node(ops.Neg(), [value], Origin("m", "t.py", i)).output
    graph.add_output(value)
    return graph


def test_rules_apply_until_none_fires() -> None:
    graph = chain(5001)
    assert Rewrite((NEG_NEG,)).run(graph, Context()) == 2500
    assert len(graph) == 1


def test_trace_tells_what_was_applied_and_refused() -> None:
    picky = Rule("picky", lambda x: node(ops.Neg, x), lambda m: m.x, lambda m: "it rains")
    context = Context(trace=[])
    Rewrite((picky, NEG_NEG)).run(chain(2), context)
    assert context.trace == [
        Event("picky", "neg", "m @ t.py:0", "it rains"),
        Event("picky", "neg", "m @ t.py:1", "it rains"),
        Event("neg(neg(x)) = x", "neg", "m @ t.py:1", ""),
    ]
    assert str(context.trace[0]) == "picky on neg @ m @ t.py:0: refused: it rains"
    assert str(context.trace[2]).endswith(": applied")


def test_rules_that_undo_each_other_end_in_an_error() -> None:
    there = Rule("there", lambda x: node(ops.Neg, x), lambda m: ops.copy(m.x))
    back = Rule("back", lambda x: node(ops.Copy, x), lambda m: ops.neg(m.x))
    with pytest.raises(RewriteLimit, match=r"there \(\d+ times\), back"):
        Rewrite((there, back)).run(chain(1), Context())


def test_new_nodes_carry_origin_transform_and_hint() -> None:
    rule = Rule(
        "neg = 0 - x", lambda x: node(ops.Neg, x), lambda m: ops.sub(ops.scalar(-0.0, m.x), m.x)
    )
    graph = chain(1)
    graph.outputs[0].hint = "y"
    Rewrite((rule,), "negate").run(graph, Context())
    assert {str(n.origin) for n in graph.nodes} == {"m @ t.py:0 · negate"}
    assert graph.outputs[0].hint == "y"


def test_replacements_of_another_type_are_refused() -> None:
    wrong = Rule("wrong", lambda x: node(ops.Neg, x), lambda m: ops.lt(m.x, m.x))
    with pytest.raises(TypeMismatch):
        Rewrite((wrong,)).run(chain(1), Context())


def test_patterns_match_in_either_order_and_repeated_variables_mean_one_value() -> None:
    graph = graph_of(
        g(
            "x f32[2]; w f32[2]; n f32[2] = neg(%x); a f32[2] = add(%n, %x); "
            "b f32[2] = add(%x, %n); d f32[2] = add(%n, %w); > %a %b %d"
        )
    )
    rule = Rule("x + (-x)", lambda x: node(ops.Add, x, node(ops.Neg, x)), lambda m: m.x)
    assert Rewrite((rule,)).run(graph, Context()) == 2
    assert text_of(graph) == g(
        "x f32[2]; w f32[2]; n f32[2] = neg(%x); d f32[2] = add(%n, %w); > %x %x %d"
    )


def test_parts_are_named() -> None:
    rule = Rule(
        "r", lambda x: node(ops.Mul, splat(name="s"), node(ops.Neg, x, name="n")), lambda m: m.x
    )
    graph = graph_of(
        g(
            "x f32[2]; c f32[] = full() {value=2.5, dtype=f32, shape=()}; "
            "n f32[2] = neg(%x); y f32[2] = mul(%n, %c); > %y"
        )
    )
    (match,) = rule.matches(list(graph.nodes)[-1])
    assert match.number("s") == 2.5 and match.op(ops.Neg, "n") == ops.Neg()
    assert match.result == tensor_type("f32", (2,))
    with pytest.raises(AttributeError, match="no part 'q'"):
        _ = match.q


def test_any_node_matches_once_for_each_fitting_input() -> None:
    graph = graph_of(
        g(
            "x f32[2]; a f32[2] = neg(%x); b f32[2] = neg(%x); "
            "y f32[2] = sub(%a, %b); z f32[2] = sub(%a, %a); > %y %z"
        )
    )
    rule = Rule("r", lambda: any_node(ops.Sub, having=any_node(ops.Neg, name="n")), lambda m: m.n)
    _, _, y, z = graph.nodes
    assert len(list(rule.matches(y))) == 2 and len(list(rule.matches(z))) == 1


def test_unread_nodes_are_left_alone() -> None:
    graph = chain(2)
    graph.add_node(ops.Neg(), [graph.outputs[0]])
    graph._outputs.replace_input(0, graph.inputs[0])
    assert Rewrite((NEG_NEG,)).run(graph, Context()) == 1  # the one whose result a node reads


def test_classes_tell_where_a_rule_cannot_fire() -> None:
    rule = Rule("f", lambda x: node(ops.Add, node(ops.Neg, x), splat(0.0)), lambda m: m.x)
    assert rule.may_match(ops.Add, (ops.Neg, ops.Full))
    assert rule.may_match(ops.Add, (ops.Constant, ops.Neg)), "operands of a sum may be exchanged"
    assert not rule.may_match(ops.Sub, (ops.Neg, ops.Full))
    assert not rule.may_match(ops.Add, (ops.Neg, None))
    assert not rule.may_match(ops.Add, (ops.Abs, ops.Full))
    assert not rule.may_match(ops.Add, (ops.Neg,))
    some = Rule("g", lambda x: any_node(trait=Trait.ELEMENTWISE, having=splat()), lambda m: m.x)
    assert some.may_match(ops.Neg, (ops.Full,)) and not some.may_match(ops.Neg, (ops.Abs,))
    assert not some.may_match(ops.MatMul, (ops.Full, ops.Full))

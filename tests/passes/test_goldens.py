"""Every rule where it fires, as text before and after, and where it must not, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY
from nngraph.passes.base import Context
from nngraph.passes.pattern import Rule, Soundness
from nngraph.passes.rewrite import Rewrite
from nngraph.passes.simplify import SIMPLIFICATIONS
from tests.passes.goldens import FIRES, REFUSES
from tests.support.random_graphs import arguments, same_bits

BY_NAME = {rule.name: rule for rule in SIMPLIFICATIONS}


def graph_of(text: str) -> Graph:
    lines = [f"  {line.strip()}" for line in text.strip().splitlines()]
    graph = parse_graph("\n".join(["graph g {", *lines, "}"]), REGISTRY)
    verify(graph)
    return graph


def text_of(graph: Graph) -> str:
    return "\n".join(line.strip() for line in print_graph(graph, False).splitlines()[1:-1])


@dataclass
class Run:
    graph: Graph
    changes: int
    refusals: list[str]


def run(rule: Rule, text: str, strict: bool = False) -> Run:
    graph = graph_of(text)
    context = Context(strict=strict, trace=[])
    changes = Rewrite((rule,)).run(graph, context)
    verify(graph)
    assert context.trace is not None
    assert sum(not e.refusal for e in context.trace) == changes
    return Run(graph, changes, [e.refusal for e in context.trace if e.refusal])


@pytest.mark.parametrize(("name", "before", "after"), FIRES)
def test_rule_fires(name: str, before: str, after: str) -> None:
    found = run(BY_NAME[name], before)
    assert text_of(found.graph) == text_of(graph_of(after))
    assert found.changes


@pytest.mark.parametrize(("name", "text", "reason"), REFUSES)
def test_rule_does_not_fire(name: str, text: str, reason: str) -> None:
    found = run(BY_NAME[name], text)
    assert found.changes == 0 and text_of(found.graph) == text_of(graph_of(text))
    assert bool(found.refusals) == bool(reason), found.refusals
    assert all(reason in refusal for refusal in found.refusals), found.refusals


def test_every_rule_has_a_golden_and_a_case_where_it_must_not_fire() -> None:
    assert len(BY_NAME) == len(SIMPLIFICATIONS), "two rules share a name"
    assert {name for name, _, _ in FIRES} == set(BY_NAME)
    assert {name for name, _, _ in REFUSES} == set(BY_NAME)


@pytest.mark.parametrize(("name", "before", "after"), FIRES)
def test_strict_compilation_leaves_weaker_rules_out(name: str, before: str, after: str) -> None:
    rule = BY_NAME[name]
    found = run(rule, before, strict=True)
    assert bool(found.changes) == (rule.soundness is Soundness.EXACT)
    assert not found.refusals or rule.soundness is Soundness.EXACT


STATIC = [row for row in FIRES if "n]" not in row[1]]


@pytest.mark.parametrize(("name", "before", "after"), STATIC)
def test_exact_rules_keep_every_bit(name: str, before: str, after: str) -> None:
    old, new = graph_of(before), graph_of(after)
    for seed in range(40):
        arrays = arguments(old, seed)
        if BY_NAME[name].soundness is not Soundness.EXACT:
            rng = np.random.default_rng(seed)
            arrays = [rng.uniform(1, 2, a.shape).astype(a.dtype) for a in arrays]
            for a, b in zip(evaluate(old, arrays), evaluate(new, arrays), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6)
        else:
            pairs = zip(evaluate(old, arrays), evaluate(new, arrays), strict=True)
            assert all(same_bits(a, b) for a, b in pairs), arrays


def test_weaker_rules_really_are_weaker() -> None:
    """Each of them changes a bit for some argument, or it should be called exact."""
    weak = [row for row in STATIC if BY_NAME[row[0]].soundness is not Soundness.EXACT]
    assert weak
    for name, before, after in weak:
        old, new = graph_of(before), graph_of(after)
        differs = False
        for seed in range(200):
            arrays = arguments(old, seed)
            arrays = [a + np.float32(seed / 7) if seed % 2 else a for a in arrays]
            pairs = zip(evaluate(old, arrays), evaluate(new, arrays), strict=True)
            differs = differs or not all(same_bits(a, b) for a, b in pairs)
        assert differs, name

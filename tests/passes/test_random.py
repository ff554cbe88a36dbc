"""No pass changes a bit of any result, and the graph stays valid and printable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngraph.ir.equality import difference
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY
from nngraph.passes.base import Context, Pass, Until
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.decompose import Decompose
from nngraph.passes.fold import FoldConstants
from nngraph.passes.pipelines import clean_up, standard
from nngraph.passes.rewrite import Rewrite
from nngraph.passes.simplify import (
    ARITHMETIC_RULES,
    CAST_RULES,
    PRODUCT_RULES,
    REDUCTION_RULES,
    SHAPE_RULES,
    SIMPLIFICATIONS,
)
from nngraph.passes.verify import verify_after
from tests.support.random_graphs import arguments, graphs, same_bits

PASSES: dict[str, Pass] = {
    "dce": DeadCode(),
    "cse": CommonSubexpressions(),
    "fold": FoldConstants(),
    "fold without a limit": FoldConstants(limit=1 << 30),
    "arithmetic": Rewrite(ARITHMETIC_RULES),
    "shapes": Rewrite(SHAPE_RULES),
    "reductions": Rewrite(REDUCTION_RULES),
    "casts": Rewrite(CAST_RULES),
    "products": Rewrite(PRODUCT_RULES),
    "all rules": Until(Rewrite(SIMPLIFICATIONS)),
    "decompose": Decompose(),
    "clean-up": clean_up(),
    "standard": standard(lambda node: False).observed(verify_after),
}


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=60)
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_pass_keeps_every_bit(name: str, graph: Graph, seed: int) -> None:
    given_arrays = arguments(graph, seed)
    before = evaluate(graph, given_arrays)
    changed = graph.clone()
    changes = PASSES[name].run(changed, Context())
    verify(changed)
    after = evaluate(changed, given_arrays)
    assert all(map(same_bits, before, after)), f"{print_graph(graph)}\n{print_graph(changed)}"
    assert (changes == 0) == (difference(graph, changed) is None)
    text = print_graph(changed)
    assert print_graph(parse_graph(text, REGISTRY)) == text


@settings(max_examples=60)
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_weaker_rules_keep_finite_results_nearly(graph: Graph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [
        rng.uniform(1.0, 2.0, v.type.static_shape).astype(v.type.dtype.numpy)
        for v in graph.parameters
    ]
    before = evaluate(graph, arrays)
    changed = graph.clone()
    clean_up().run(changed, Context(strict=False))
    verify(changed)
    for a, b in zip(before, evaluate(changed, arrays), strict=True):
        finite = np.isfinite(a)
        np.testing.assert_allclose(a[finite], b[finite], rtol=1e-4, atol=1e-4)


@settings(max_examples=40)
@given(graph=graphs())
def test_passes_settle_and_are_deterministic(graph: Graph) -> None:
    first, second = graph.clone(), graph.clone()
    clean_up().run(first, Context())
    clean_up().run(second, Context())
    assert print_graph(first) == print_graph(second)
    assert clean_up().run(first, Context()) == 0

"""An operand that is passed twice has the sum of the gradients of both places, once."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op, Sample
from nngraph.ir.reverse import reverse
from nngraph.ops import REGISTRY, add, zeros_like
from tests.support.contract import is_float, random_like


def _gradients(op: Op, arrays: list[Array], sample: Sample, places: list[int]) -> list[Array]:
    """Gradients of all inputs, where the operator reads input ``places[i]`` as its operand i."""
    graph = Graph()
    inputs = [graph.add_input(t) for t in sample.types]
    with Builder(graph) as builder:
        outputs = builder.apply(op, [inputs[p] for p in places])
        floats = [v for v in outputs if is_float(v)]
        seeds = [graph.add_input(v.type) for v in floats]
        wanted: list[Value] = [v for v in inputs if is_float(v)]
        (node,) = {v.producer for v in outputs}
        pairs = list(zip(floats, seeds, strict=True))
        for value, g in zip(wanted, reverse([node], pairs, wanted, add), strict=True):
            graph.add_output(zeros_like(value) if g is None else g)
    shapes = [np.empty(v.type.static_shape, v.type.dtype.numpy) for v in floats]
    return list(evaluate(graph, [*arrays, *random_like(shapes, 5)]))


def _cases() -> list[Any]:
    found = []
    for name, kind in sorted(REGISTRY.items()):
        for number, sample in enumerate(kind.samples()):
            types = sample.types
            pairs = [
                (i, j)
                for i, j in combinations(range(len(types)), 2)
                if types[i] == types[j] and types[i].dtype.is_floating_point and types[i].size
            ]
            if pairs and sample.smooth and sample.op.differentiable:
                found.append(pytest.param(sample, pairs, id=f"{name}-{number}"))
    return found


@pytest.mark.parametrize(("sample", "pairs"), _cases())
def test_the_gradient_is_the_sum_of_both(sample: Sample, pairs: list[tuple[int, int]]) -> None:
    floats = [i for i, t in enumerate(sample.types) if t.dtype.is_floating_point]
    for first, second in pairs:
        arrays = list(sample.inputs)
        arrays[second] = arrays[first]
        apart = _gradients(sample.op, arrays, sample, list(range(len(arrays))))
        places = [first if i == second else i for i in range(len(arrays))]
        once = _gradients(sample.op, arrays, sample, places)
        both = apart[floats.index(first)] + apart[floats.index(second)]
        np.testing.assert_allclose(once[floats.index(first)], both, 1e-5, 1e-5)
        assert not once[floats.index(second)].any()

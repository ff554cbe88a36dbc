"""Values and gradients of operators through a graph, evaluated in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nngraph.ir.builder import Builder
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.reverse import reverse
from nngraph.ir.types import type_of_array
from nngraph.ops.elementwise import add

__all__ = ["run", "run_with_gradients"]

Build = Callable[..., Any]


def _outputs(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def run(build: Build, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """What ``build(*values)`` computes."""
    graph = Graph()
    values = [graph.add_input(type_of_array(a)) for a in inputs]
    with Builder(graph):
        for out in _outputs(build(*values)):
            graph.add_output(out)
    return evaluate(graph, inputs)


def run_with_gradients(
    build: Build, inputs: Sequence[Array], cotangents: Sequence[Array | None], twice: bool = False
) -> tuple[tuple[Array, ...], list[Array | None]]:
    """Outputs of ``build(*values)`` and the gradients of every floating point input.

    ``cotangents`` holds one array for each output, None where it takes no part. With ``twice`` the
    gradients are those of the sum of squares of the first gradients.
    """
    graph = Graph()
    values = [graph.add_input(type_of_array(a)) for a in inputs]
    with Builder(graph):
        outs = _outputs(build(*values))
        given = [graph.add_input(type_of_array(c)) for c in cotangents if c is not None]
        rest = iter(given)
        seeds = [(o, next(rest)) for o, c in zip(outs, cotangents, strict=True) if c is not None]
        wanted = [v for v in values if v.type.dtype.is_floating_point]
        grads = reverse(tuple(graph.nodes), seeds, wanted, add)
        if twice:
            first = [g for g in grads if g is not None]
            # The gradient of sum(g * g) / 2 has the cotangent g.
            grads = reverse(tuple(graph.nodes), [(g, g) for g in first], wanted, add)
        for value in (*outs, *(g for g in grads if g is not None)):
            graph.add_output(value)
    arrays = evaluate(graph, [*inputs, *(c for c in cotangents if c is not None)])
    found = iter(arrays[len(outs) :])
    return arrays[: len(outs)], [None if g is None else next(found) for g in grads]

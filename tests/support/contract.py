"""What the operator contract is made of: parts, graphs of samples, and finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass, replace

import numpy as np

from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import DType, float32
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op, Sample
from nngraph.ir.reverse import reverse
from nngraph.ir.types import TypeMismatch
from nngraph.ops import REGISTRY, add, zeros_like
from tests.support.tolerances import DERIVATIVE


def missing_parts(cls: type[Op]) -> list[str]:
    """What ``cls`` lacks to be an operator; empty if it is complete."""
    missing = [m for m in ("infer", "eval", "samples") if not cls.defines(m)]
    if not cls.name or REGISTRY.get(cls.name, cls) is not cls:
        missing.append("a name of its own")
    if not is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        missing.append("a frozen dataclass")
    if cls.differentiable and not (cls.defines("vjp") or cls.defines("decompose")):
        missing.append("vjp or decompose (or differentiable = False)")
    if not cls.__doc__:
        missing.append("a docstring")
    if "samples" not in missing:
        samples = list(cls.samples())
        if not samples:
            missing.append("one sample")
        elif cls.differentiable and not any(s.smooth and has_floats(s) for s in samples):
            missing.append("a smooth sample to differentiate")
    return missing


def has_floats(sample: Sample) -> bool:
    return any(t.dtype.is_floating_point for t in sample.types)


def retyped(sample: Sample, dtype: DType) -> Sample | None:
    """The sample with its float32 inputs as ``dtype``; None where the operator fixes the type."""
    if not any(t.dtype is float32 for t in sample.types):
        return None
    with np.errstate(all="ignore"):
        inputs = tuple(a.astype(dtype.numpy) if a.dtype == np.float32 else a for a in sample.inputs)
    twin = replace(sample, inputs=inputs)
    try:
        twin.op.infer(*twin.types)
    except TypeMismatch:
        return None
    return twin


def forward_graph(sample: Sample, decompose: bool = False) -> Graph:
    """A graph of the operator alone, or of its decomposition."""
    graph = Graph(sample.op.name)
    inputs = [graph.add_input(t) for t in sample.types]
    with Builder(graph) as builder:
        rule = sample.op.decompose if decompose else None
        for value in rule(*inputs) if rule else builder.apply(sample.op, inputs):
            graph.add_output(value)
    return graph


def is_float(value: Value) -> bool:
    return value.type.dtype.is_floating_point


def gradient_graph(graph: Graph) -> Graph:
    """Inputs of ``graph``, then a cotangent for each float output -> gradients of float inputs."""
    twin = graph.clone()
    outputs = twin.outputs
    result = Graph(f"{graph.name}_grad")
    parameters = [result.add_input(v.type) for v in twin.inputs]
    seeds = [result.add_input(v.type) for v in outputs if is_float(v)]
    wanted = [v for v in parameters if is_float(v)]
    with Builder(result) as builder:
        made = twin.copy_into(builder.copy, parameters)
        pairs = list(zip([v for v in made if is_float(v)], seeds, strict=True))
        found = reverse(list(result.nodes), pairs, wanted, add)
        for value, gradient in zip(wanted, found, strict=True):
            result.add_output(zeros_like(value) if gradient is None else gradient)
    return result


def random_like(arrays: Sequence[Array], seed: int) -> list[Array]:
    """Random numbers in the shape and type of each float array."""
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.uniform(0.5, 1.5, a.shape) * rng.choice([-1, 1], a.shape), a.dtype)
        for a in arrays
    ]


def float_arrays(graph: Graph, arrays: Sequence[Array], results: bool = False) -> list[Array]:
    values = graph.outputs if results else graph.inputs
    return [a for a, v in zip(arrays, values, strict=True) if is_float(v)]


def check_derivative(graph: Graph, arguments: Sequence[Array], note: str) -> Graph:
    """Compares the gradient graph with central differences in one random direction an input.

    Returns the gradient graph, so that its own derivative can be checked in turn.
    """
    outputs = evaluate(graph, arguments)
    seeds = random_like(float_arrays(graph, outputs, True), 1)
    gradients = gradient_graph(graph)
    found = evaluate(gradients, [*arguments, *seeds])
    floats = [i for i, v in enumerate(graph.inputs) if is_float(v)]
    for position, gradient in zip(floats, found, strict=True):
        (direction,) = random_like([arguments[position]], 2 + position)
        wanted = _slope(graph, list(arguments), position, direction, seeds)
        got = float(np.sum(gradient * direction))
        relative, absolute = DERIVATIVE
        scale = max(abs(wanted), float(np.sum(np.abs(gradient * direction))))
        message = f"{note}: the derivative by input {position} is {got}, by differences {wanted}"
        assert abs(got - wanted) <= absolute + relative * scale, message
    return gradients


def _slope(
    graph: Graph, arguments: list[Array], position: int, direction: Array, seeds: Sequence[Array]
) -> float:
    step = 1e-6
    ends = []
    for sign in (1, -1):
        moved = list(arguments)
        moved[position] = arguments[position] + sign * step * direction
        outputs = float_arrays(graph, evaluate(graph, moved), True)
        ends.append(sum(float(np.sum(o * s)) for o, s in zip(outputs, seeds, strict=True)))
    return (ends[0] - ends[1]) / (2 * step)

"""Running graphs on backends, as the operator contract does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nngraph.backends import get_backend, registry
from nngraph.backends.base import Target, UnsupportedGraph
from nngraph.backends.build import build
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array, Sample
from nngraph.ir.reverse import reverse
from nngraph.ops import add, zeros_like
from tests.support.contract import is_float, random_like

__all__ = ["BACKENDS", "Job", "UnsupportedGraph", "job_of", "run_graph"]

BACKENDS = tuple(registry.BACKENDS)


def run_graph(backend: str, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of a graph without state on a backend, on one thread.

    Raises:
        UnsupportedGraph: naming what the backend lacks.
    """
    built = build(get_backend(backend), graph, Target(backend, threads=1))
    arrays = [np.require(a, requirements="CA") for a in inputs]
    outputs, states = built.executable.run(arrays, [], [])
    assert not states
    return outputs


@dataclass
class Job:
    """Samples of one operator as one graph: results, then gradients, of each sample.

    Attributes:
        graph: reads every sample's inputs and cotangents.
        inputs: for the graph.
        notes: one for each output of the graph.
    """

    graph: Graph
    inputs: list[Array]
    notes: list[str]


def job_of(samples: Sequence[tuple[Sample, str]], gradients: bool = True) -> Job:
    """Forward and gradient of many samples in one graph: compiling once is what takes long."""
    job = Job(Graph("contract"), [], [])
    for sample, name in samples:
        _add(job, sample, name, gradients and sample.op.differentiable)
    return job


def _add(job: Job, sample: Sample, name: str, gradients: bool) -> None:
    graph = job.graph
    inputs = [graph.add_input(t) for t in sample.types]
    job.inputs += sample.inputs
    with Builder(graph) as builder:
        outputs = builder.apply(sample.op, inputs)
        for position, value in enumerate(outputs):
            graph.add_output(value)
            job.notes.append(f"{name}: output {position}")
        wanted = [v for v in inputs if is_float(v)]
        floats = [v for v in outputs if is_float(v)]
        if not (gradients and wanted and floats):
            return
        seeds = [graph.add_input(v.type) for v in floats]
        job.inputs += random_like(
            [np.empty(v.type.static_shape, v.type.dtype.numpy) for v in floats], 5
        )
        (node,) = {v.producer for v in outputs}
        pairs = list(zip(floats, seeds, strict=True))
        for value, gradient in zip(wanted, reverse([node], pairs, wanted, add), strict=True):
            graph.add_output(zeros_like(value) if gradient is None else gradient)
            job.notes.append(f"{name}: gradient of {inputs.index(value)}")

"""A group of operators that a backend runs as one kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dtypes import float32, float64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op, Sample, Trait, apply
from nngraph.ir.types import TensorType, tensor_type
from nngraph.ops.core import need
from nngraph.ops.elementwise.arithmetic import add, mul
from nngraph.ops.elementwise.transcendental import tanh
from nngraph.ops.family import operators_of

__all__ = ["Fused", "inline"]


def inline(graph: Graph, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Applies a graph's operators to operands, which stand for its parameters."""
    table: dict[Value, Any] = dict(zip(graph.parameters, operands, strict=True))
    for node in graph.nodes:
        outs = apply(node.op, *(table[v] for v in node.inputs), like=operands[0])
        table.update(zip(node.outputs, outs, strict=True))
    return tuple(table[v] for v in graph.results)


def need_plain_body(op: str, body: Graph) -> None:
    """Refuses a body with state or scalars."""
    plain = len(body.parameters) == len(body.inputs)
    need(plain, op, "the body", "a graph with state or scalars", "a graph of inputs and outputs")


@dataclass(frozen=True)
class Fused(Op):
    """Operators that a backend runs as one kernel."""

    body: Subgraph
    name: ClassVar[str] = "fused"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.CONTROL})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        graph = self.body.graph
        need_plain_body("fused", graph)
        wanted = tuple(v.aval for v in graph.inputs)
        need(
            types == wanted,
            "fused",
            "the list of inputs",
            list(map(str, types)),
            f"{list(map(str, wanted))}, as the body takes",
        )
        return tuple(v.aval for v in graph.outputs)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return evaluate(self.body.graph, inputs)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        return inline(self.body.graph, inputs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in (float64, float32):
            graph = Graph("group")
            x, w = (graph.add_input(tensor_type(dtype, (2, 3))) for _ in range(2))
            with Builder(graph):
                y = tanh(mul(x, w))
                for value in (add(y, 1.0), mul(y, x)):
                    graph.add_output(value)
            a = np.linspace(-1, 1, 6).reshape(2, 3).astype(dtype.numpy)
            yield Sample(cls(Subgraph(graph)), (a, a * 2 + 1), dtype is float64)


OPERATORS = operators_of(globals())

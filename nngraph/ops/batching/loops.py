"""Rules of operators that hold graphs: the graph itself is batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.op import Op, apply
from nngraph.ops.batching.lane import Lane, Rule
from nngraph.ops.fused import inline
from nngraph.ops.scan import Scan
from nngraph.ops.shape import transpose

__all__ = ["RULES"]


def _scan(op: Scan, operands: Sequence[Lane]) -> Sequence[Any]:
    """One loop whose step computes all elements; time stays the first axis of sequences."""
    size, first = operands[0].size, op.carries + op.consts
    made, lanes = Graph(op.body.graph.name), []
    inputs: list[Any] = []
    for index, (value, lane) in enumerate(zip(op.body.graph.inputs, operands, strict=True)):
        batched = lane.is_batched or index < op.carries
        kind = value.aval.with_shape((size, *value.aval.shape)) if batched else value.aval
        lanes.append(Lane(made.add_input(kind, value.hint), size, batched))
        given = lane.whole if batched else lane.inner
        inputs.append(_swapped(given) if batched and index >= first else given)
    with Builder(made):
        for result in inline(op.body.graph, lanes):
            made.add_output(result.whole)
    outs = apply(replace(op, body=Subgraph(made)), *inputs)
    return [o if i < op.carries else _swapped(o) for i, o in enumerate(outs)]


def _swapped(x: Any) -> Any:
    return transpose(x, (1, 0, *range(2, x.aval.rank)))


RULES: dict[type[Op], Rule] = {Scan: _scan}

"""A graph of symbolic sizes as a graph of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nngraph.ir.attributes import Subgraph, attributes
from nngraph.ir.dims import SymDim
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType

__all__ = ["with_sizes"]


def with_sizes(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """A copy in which every symbolic dimension, of types and of attributes, is a number.

    Raises:
        KeyError: if a size is not given.
    """
    twin = Graph(graph.name)
    table: dict[Value, Value] = {}
    for value in graph.inputs:
        table[value] = twin.add_input(_fixed(value.type, sizes), value.hint)
    for name, value in graph.scalars.items():
        table[value] = twin.add_scalar(name, value.type)
    for state in graph.states:
        table[state.input] = twin.add_state(state.name, _fixed(state.input.type, sizes))
    for node in graph.nodes:
        op = _numbered(node.op, sizes)
        new = twin.add_node(op, [table[v] for v in node.inputs], node.origin)
        table.update(zip(node.outputs, new.outputs, strict=True))
    for value, label in zip(graph.outputs, graph.labels, strict=True):
        twin.add_output(table[value], label.name, label.role, label.of)
    for state in graph.states:
        twin.set_state(state.name, table[state.output])
    return twin


def _fixed(kind: TensorType, sizes: Mapping[str, int]) -> TensorType:
    return kind.with_shape(_number(d, sizes) for d in kind.shape)


def _numbered(op: Op, sizes: Mapping[str, int]) -> Op:
    old = dict(attributes(op))
    new = {name: _number(value, sizes) for name, value in old.items()}
    return op if all(new[n] is old[n] for n in old) else dataclasses.replace(op, **new)


def _number(value: Any, sizes: Mapping[str, int]) -> Any:
    """The attribute with numbers for symbols; the very object where there are none."""
    if isinstance(value, SymDim):
        return value.evaluate(sizes)
    if isinstance(value, tuple):
        new = tuple(_number(v, sizes) for v in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    if isinstance(value, Subgraph):
        return Subgraph(with_sizes(value.graph, sizes)) if _is_symbolic(value.graph) else value
    return value


def _is_symbolic(graph: Graph) -> bool:
    types = [v.type for v in graph.parameters]
    types += [v.type for n in graph.nodes for v in n.outputs]
    return not all(t.is_static for t in types)

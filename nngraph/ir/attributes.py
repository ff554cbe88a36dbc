"""What an operator attribute may be - a graph too - and keys that tell any two of them apart."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any

from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import DType
from nngraph.ir.graph import Graph, Value
from nngraph.ir.literal import Literal
from nngraph.ir.op import Op

__all__ = ["Subgraph", "attribute_key", "attributes", "op_key", "subgraphs"]

_names: dict[type[Op], tuple[str, ...]] = {}  # dataclasses.fields is slow


class Subgraph:
    """A graph as an operator attribute, which nobody changes any more.

    Equal if the graphs compute the same in the same order: origins and names don't count.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def _key(self) -> Hashable:
        return _graph_key(self.graph)

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subgraph):
            return False
        return self.graph is other.graph or (self._hash == other._hash and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Subgraph({len(self.graph)} nodes)"


def _graph_key(graph: Graph) -> Hashable:
    """Parameters by kind and type, nodes with their operands by number, and the results."""
    number: dict[Value, int] = {v: i for i, v in enumerate(graph.parameters)}
    nodes: list[Hashable] = []
    for node in graph.nodes:
        types = tuple(v.type for v in node.outputs)
        nodes.append((op_key(node.op), tuple(number[v] for v in node.inputs), types))
        for value in node.outputs:
            number[value] = len(number)
    kinds = (len(graph.inputs), len(graph.scalars), len(graph.states))
    types = tuple(v.type for v in graph.parameters)
    return (kinds, types, tuple(nodes), tuple(number[v] for v in graph.results))


def attributes(op: Op) -> Iterator[tuple[str, Any]]:
    """(name, value) of each attribute, in the order of the class."""
    kind = type(op)
    if kind not in _names:
        _names[kind] = tuple(field.name for field in dataclasses.fields(kind))
    for name in _names[kind]:
        yield name, getattr(op, name)


def attribute_key(value: object) -> Hashable:
    """Equal for two attribute values exactly if they mean the same.

    Python's own ``==`` will not do: ``1 == 1.0 == True`` and ``0.0 == -0.0``, yet NaN differs from
    itself.

    Raises:
        TypeError: if the value is not of a kind that an attribute may have.
    """
    match value:
        case None | bool() | str() | DType() | SymDim() | Literal() | Subgraph():
            return (type(value).__name__, value)
        case int():
            return int(value)
        case float():
            return ("float", struct.pack("<d", value))
        case tuple():
            return ("tuple", *(attribute_key(v) for v in value))
    raise TypeError(
        f"{value!r} of type {type(value).__name__} cannot be an operator attribute; use an int, "
        "float, bool, str, None, DType, Dim, Literal, Subgraph, or a tuple of these"
    )


def op_key(op: Op) -> Hashable:
    """Equal for two operators exactly if they compute the same: class and attributes."""
    return (type(op), *(attribute_key(v) for _, v in attributes(op)))


def subgraphs(op: Op) -> Iterator[Subgraph]:
    """The nested graphs among an operator's attributes."""
    for _, value in attributes(op):
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Subgraph):
                yield item

"""The text form of graphs: what ``print_graph`` writes, ``parse_graph`` reads back exactly.

    graph train_step {
      input %x: f32[batch,64]
      scalar %lr: f32[]
      state %weight: f32[10,64] -> %4
      %1: f32[batch,10] = matmul(%x, %weight) {transpose_a=false, transpose_b=true}  # fc @ a.py:3
      ...
      output %1 as logits
    }

A value is called by its hint, made unique, or by a number. ``as`` gives the name of an output, and
of an input, scalar or state that is called otherwise. An output that is no result says what it is
for and whose it is: ``output %7 as grad_0 (gradient weight)``. Attributes: ``1``, ``1.0``, ``inf``,
``nan``, ``true``, ``none``, ``"text"``, ``f32``, ``<batch*64>``, tuples, arrays
(``f32[2][1.0,2.0]``, or base64 of the bytes where they are many), and nested graphs.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from nngraph.ir.attributes import Subgraph, attributes
from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import DType
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.literal import Literal
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.ir.roles import Label, Role

__all__ = ["print_attribute", "print_graph"]

_WORD = re.compile(r"(?!inf\Z)[A-Za-z_][A-Za-z0-9_.]*\Z")
_LABEL = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.]*\Z")
_NAN = struct.pack("<d", float("nan"))
_LISTED = 16  # arrays up to this size are shown number by number


def print_graph(graph: Graph, origins: bool = True, names: bool = True) -> str:
    """The text of a graph, one line a node.

    Args:
        graph: what to print.
        origins: end each node's line with where it comes from.
        names: use hints and names; without them equal texts mean equal computations.
    """
    return "\n".join(_Printer(graph, origins, names).lines())


def print_attribute(value: object) -> str:
    """The text of one attribute value.

    Raises:
        TypeError: if an attribute cannot be such a value.
    """
    return _attribute(value, origins=False, names=True)


def _word(name: str) -> str:
    """A name as it is, or quoted where it is not a plain word."""
    return name if _WORD.match(name) else json.dumps(name)


def _label(name: str) -> str:
    """How a value of that name is called: ``%0.weight`` is a name, ``%0`` a number."""
    return f"%{name}" if _LABEL.match(name) else f"%{json.dumps(name)}"


class _Printer:
    def __init__(self, graph: Graph, origins: bool, names: bool) -> None:
        self.graph = graph
        self.origins = origins
        self.names = names
        self.labels = _labels(graph, names)

    def lines(self) -> Iterator[str]:
        graph = self.graph
        yield f"graph {_word(graph.name) if self.names else '_'} {{"
        for value in graph.inputs:
            yield f"  input {self.parameter(value, value.hint if self.names else '')}"
        for name, value in graph.scalars.items():
            yield f"  scalar {self.parameter(value, name)}"
        for state in graph.states:
            after = f" -> {self.labels[state.output]}" if state.is_changed else ""
            yield f"  state {self.parameter(state.input, state.name)}{after}"
        for node in graph.nodes:
            yield f"  {self.node(node)}"
        for value, label in zip(graph.outputs, graph.labels, strict=True):
            yield f"  output {self.labels[value]}{_described(label) if self.names else ''}"
        yield "}"

    def parameter(self, value: Value, name: str) -> str:
        label = self.labels[value]
        known = label == _label(name) if name else label[1:].isdigit()
        return f"{label}{'' if known else f' as {_word(name)}'}: {value.type}"

    def node(self, node: Node) -> str:
        outputs = ", ".join(f"{self.labels[v]}: {v.type}" for v in node.outputs)
        inputs = ", ".join(self.labels[v] for v in node.inputs)
        pairs = ", ".join(
            f"{name}={_attribute(value, self.origins, self.names)}"
            for name, value in attributes(node.op)
        )
        line = f"{outputs} = {node.op.name}({inputs})" + (f" {{{pairs}}}" if pairs else "")
        origin = " ".join(str(node.origin).split()) if self.origins else ""
        return f"{line}  # {origin}" if origin else line


def _described(label: Label) -> str:
    """An output's name and, where it is no result, its role and whose it is."""
    shown = f" as {_word(label.name)}" if label.name else ""
    if label.role is Role.RESULT and not label.of:
        return shown
    of = f" {_word(label.of)}" if label.of else ""
    return f"{shown} ({label.role.value}{of})"


def _labels(graph: Graph, names: bool) -> dict[Value, str]:
    """``%hint``, ``%hint.1``, ... or ``%0``, ``%1``, ... for each value."""
    values = [*graph.parameters, *(v for n in graph.nodes for v in n.outputs)]
    fresh = UniqueNames(separator=".").fresh
    labels: dict[Value, str] = {}
    number = 0
    for value in values:
        if not names or not value.hint:
            labels[value] = f"%{number}"
            number += 1
        else:
            labels[value] = _label(fresh(value.hint))
    return labels


def _attribute(value: object, origins: bool, names: bool) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float():
            return _float(value)
        case str():
            return json.dumps(value)
        case DType():
            return value.short
        case SymDim():
            return f"<{value}>"
        case tuple():
            inside = ", ".join(_attribute(v, origins, names) for v in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        case Literal():
            return _literal(value)
        case Subgraph():
            text = print_graph(value.graph, origins, names)
            return text.replace("\n", "\n  ")
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be an operator attribute")


def _float(value: float) -> str:
    if value != value and struct.pack("<d", value) != _NAN:
        return f"nan:{struct.pack('>d', value).hex()}"
    return float.__repr__(value)


def _literal(value: Literal) -> str:
    array = value.array
    if array.size <= _LISTED:
        listed = array.reshape(-1).astype(array.dtype.newbyteorder("=")).tolist()
        if _is_listable(listed, array):
            return f"{value.type}[{','.join(print_attribute(v) for v in listed)}]"
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return f"{value.type}{json.dumps(base64.b64encode(little.tobytes()).decode('ascii'))}"


def _is_listable(listed: Sequence[object], array: Array) -> bool:
    """True if Python numbers stand for the array's elements bit by bit (all but odd NaNs)."""
    with np.errstate(all="ignore"):
        again = np.array(listed, array.dtype).reshape(array.shape)
    return again.tobytes() == array.tobytes()

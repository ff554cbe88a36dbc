"""Programs in files: the plan as JSON, kernels as the text of their operators, constants as bytes.

A file holds no machine code: kernels are compiled, or found compiled, for the machine that loads
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.backends.artifact import read_artifact, write_artifact
from nngraph.backends.errors import ArtifactError
from nngraph.backends.tvm.program.program import (
    Call,
    Check,
    IndexCheck,
    KernelSpec,
    Loop,
    Place,
    Program,
    Storage,
    Table,
    ZeroCheck,
)
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.signature import Signature
from nngraph.ir.text import print_graph
from nngraph.ir.types import TensorType, parse_type
from nngraph.ops import REGISTRY
from nngraph.ops.core import Literal

__all__ = ["TvmArtifact"]

_PLAN, _CONSTANTS = "program.json", "constants.bin"


@dataclass(frozen=True)
class TvmArtifact:
    """A program, which can be loaded here or written to a folder and loaded elsewhere."""

    program: Program

    @property
    def signature(self) -> Signature:
        return self.program.signature

    def write(self, folder: Path) -> None:
        """Writes its folder; see ``write_artifact``."""
        constants: list[bytes] = []
        plan = json.dumps(_plan(self.program, constants), separators=(",", ":"))
        files = {_PLAN: [plan.encode()]} | ({_CONSTANTS: constants} if constants else {})
        write_artifact(folder, "tvm", self.signature, files)

    @staticmethod
    def read(folder: Path) -> TvmArtifact:
        """What ``write`` wrote.

        Raises:
            FileNotFoundError: if there is no such folder.
            ArtifactError: if it holds something else, or a damaged program.
        """
        signature, files = read_artifact(folder, "tvm")
        try:
            plan = json.loads(files[_PLAN])
            constants = _Bytes(memoryview(files.get(_CONSTANTS, b"")))
            return TvmArtifact(_Reader(constants).program(plan, signature))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{folder / _PLAN} is no program: {error}") from None


# -- to JSON -------------------------------------------------------------------------------------
def _plan(program: Program, constants: list[bytes]) -> dict[str, Any]:
    """Plain data; the bytes of constants go to the end of ``constants``."""
    types = _Numbers()
    origins = _Numbers()
    operators = _Numbers()
    plan = {
        "kernels": [_kernel_data(spec) for spec in program.kernels],
        "storages": [[s.place.value, s.index, types[str(s.type)]] for s in program.storages],
        "constants": [_constant_data(literal, constants) for literal in program.constants],
        "calls": [
            [
                *(c.kernel, c.arguments, origins[c.origin], c.status),
                *(_loop_data(c.loop, constants), c.sizes),
                [[operators[operator], origins[origin]] for operator, origin in c.parts],
                c.nbytes,
            ]
            for c in program.calls
        ],
        "before": program.before,
        "outputs": program.outputs,
        "new_states": program.new_states,
        "checks": [[c.what, c.axis, c.size, c.origin] for c in program.checks],
        "arena": program.arena,
    }
    return plan | {"types": [*types], "operators": [*operators], "origins": [*origins]}


class _Numbers(dict[str, int]):
    """Numbers for texts, each of which is written once."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


def _kernel_data(spec: KernelSpec) -> list[Any]:
    if isinstance(spec.op, IndexCheck):
        return ["index_check", str(spec.inputs[0]), spec.op.size]
    if isinstance(spec.op, ZeroCheck):
        return ["zero_check", str(spec.inputs[0])]
    graph = Graph("kernel")
    node = graph.add_node(spec.op, [graph.add_input(t) for t in spec.inputs])
    for value in node.outputs:
        graph.add_output(value)
    text = print_graph(graph, origins=False, names=False)
    return ["operator", text, spec.aliases, spec.table and spec.table.value]


def _constant_data(literal: Literal, constants: list[bytes]) -> list[Any]:
    array = literal.array.astype(literal.array.dtype.newbyteorder("<"), copy=False)
    constants.append(array.tobytes())
    return [str(literal.type), len(constants[-1])]


def _loop_data(loop: Loop | None, constants: list[bytes]) -> dict[str, Any] | None:
    if loop is None:
        return None
    return {
        "program": _plan(loop.program, constants),
        "signature": loop.program.signature.to_json(),
        "carries": loop.carries,
        "consts": loop.consts,
        "length": loop.length,
        "reverse": loop.reverse,
    }


# -- from JSON -----------------------------------------------------------------------------------
class _Bytes:
    """The constants' bytes, taken in the order in which they were written."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def literal(self, type: TensorType, size: int) -> Literal:
        if size != type.nbytes or size > len(self._data):
            raise ValueError(f"a constant of {size} bytes cannot be {type}")
        taken, self._data = self._data[:size], self._data[size:]
        little = np.frombuffer(taken, type.dtype.numpy.newbyteorder("<"))
        return Literal(little.astype(type.dtype.numpy).reshape(type.static_shape))


class _Reader:
    def __init__(self, constants: _Bytes) -> None:
        self.constants = constants

    def program(self, plan: Mapping[str, Any], signature: Signature) -> Program:
        types = [parse_type(text) for text in plan["types"]]
        constants = [self.constants.literal(parse_type(t), n) for t, n in plan["constants"]]
        return Program(
            signature,
            tuple(_kernel(*row) for row in plan["kernels"]),
            tuple(Storage(Place(place), index, types[t]) for place, index, t in plan["storages"]),
            tuple(self._calls(plan["calls"], plan["operators"], plan["origins"])),
            plan["before"],
            tuple(plan["outputs"]),
            tuple(plan["new_states"]),
            tuple(constants),
            tuple(Check(*row) for row in plan["checks"]),
            plan["arena"],
        )

    def _calls(
        self, rows: Sequence[Any], operators: Sequence[str], origins: Sequence[str]
    ) -> Iterator[Call]:
        for kernel, arguments, origin, status, loop, sizes, parts, nbytes in rows:
            nested = None if loop is None else self._loop(loop)
            named = tuple((operators[a], origins[b]) for a, b in parts)
            given, of = tuple(arguments), origins[origin]
            yield Call(kernel, given, of, status, nested, tuple(sizes), named, nbytes)

    def _loop(self, data: Mapping[str, Any]) -> Loop:
        body = self.program(data["program"], Signature.from_json(data["signature"]))
        return Loop(body, data["carries"], data["consts"], data["length"], data["reverse"])


def _kernel(kind: str, text: str, *rest: Any) -> KernelSpec:
    if kind == "index_check":
        return KernelSpec(IndexCheck(*rest), (parse_type(text),), ())
    if kind == "zero_check":
        return KernelSpec(ZeroCheck(), (parse_type(text),), ())
    if kind != "operator":
        raise ValueError(f"there is no kernel of the kind {kind!r}")
    graph = parse_graph(text, REGISTRY)
    (node,) = graph.nodes
    inputs, outputs = (tuple(v.type for v in values) for values in (node.inputs, node.outputs))
    aliases, table = rest
    pairs = tuple((out, source) for out, source in aliases)
    return KernelSpec(node.op, inputs, outputs, pairs, table and Table(table))

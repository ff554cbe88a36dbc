"""What is in an ONNX file: what goes in and out, its nodes by module and phase, what they cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nngraph.backends.errors import BackendError
from nngraph.backends.onnx.export import METADATA_KEY
from nngraph.ir.origin import NOWHERE, Origin

__all__ = ["Description", "NodeFacts", "Port", "describe", "with_outputs"]

Shape = tuple[int | str | None, ...]

#: Operators that move elements and compute nothing.
_MOVES = {
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "If",
    "Loop",
    "Pad",
    "Range",
    "Reshape",
    "Scan",
    "Shape",
    "Size",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}


@dataclass(frozen=True)
class Port:
    """A tensor that goes in or out.

    Attributes:
        name: in the file.
        dtype: NumPy's name of the element type; empty if unknown.
        shape: sizes; a name or None where a size is dynamic; None if nothing is known.
    """

    name: str
    dtype: str
    shape: Shape | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype or 'unknown'}[...]"
        return f"{self.dtype}[{', '.join('?' if d is None else str(d) for d in self.shape)}]"

    @property
    def elements(self) -> int | None:
        """How many; None if a size is not known."""
        if self.shape is None or not all(isinstance(d, int) for d in self.shape):
            return None
        return math.prod(d for d in self.shape if isinstance(d, int))

    @property
    def nbytes(self) -> int | None:
        """Bytes of the elements; None if a size or the type is not known."""
        size = _BYTES.get(self.dtype)
        return None if self.elements is None or size is None else self.elements * size


_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64"), 8),
}


@dataclass(frozen=True)
class NodeFacts:
    """One node.

    Attributes:
        name, kind: its name and operator.
        module, place: the path of the module whose forward made it, and the user's line.
        phase: ``"forward"``, ``"backward"`` or ``"update"``.
        inputs, outputs: what it reads and makes.
        flops: floating point operations, a multiplication and an addition counted as two; None
            where a size is not known.
        nbytes: bytes that it reads and writes; None where a size is not known.
    """

    name: str
    kind: str
    module: str
    place: str
    phase: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    flops: int | None
    nbytes: int | None


@dataclass(frozen=True)
class Description:
    """A file.

    Attributes:
        path: of the file.
        producer: what wrote it.
        opset: version of the standard operators.
        inputs, outputs: of a call, without states and scalars.
        scalars: numbers that the host gives, with their values.
        states: what each call gives anew, by the names of the inputs.
        constants: what is in the file.
        nodes: in the order of the file; those of a loop's body once.
    """

    path: Path
    producer: str
    opset: int
    inputs: tuple[Port, ...]
    scalars: Mapping[str, float]
    states: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: tuple[Port, ...]
    nodes: tuple[NodeFacts, ...]


def describe(path: str | Path, sizes: Mapping[str, int] | None = None) -> Description:
    """Reads a file of ours or of others; constants beside it are not looked at.

    Args:
        path: an ``.onnx`` file.
        sizes: for dynamic sizes, by name: with all of them given every cost is known.

    Raises:
        FileNotFoundError: if there is no such file.
        BackendError: if it holds no ONNX model, or one whose types contradict each other.
    """
    import onnx

    path = Path(path)
    model = _model_of(path)
    try:
        _fix_sizes(model.graph, sizes or {})
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise BackendError(f"{path} is no ONNX model that can be read: {error}") from error
    return _Reader(model).described(path)


def with_outputs(path: str | Path, names: Collection[str]) -> bytes:
    """The model of a file that gives more of its values; those that are outputs stay outputs.

    Raises:
        FileNotFoundError, BackendError: as ``describe``.
    """
    model = _model_of(Path(path))
    given = {value.name for value in model.graph.output}
    made = {name for node in model.graph.node for name in node.output if name}
    for name in names:
        if name in made and name not in given:
            model.graph.output.add(name=name)
    return bytes(model.SerializeToString())


def _model_of(path: Path) -> Any:
    from nngraph.backends.onnx.checked import ModelRefused, read_model

    try:
        return read_model(path)
    except ModelRefused as error:
        raise BackendError(f"{path} is no ONNX model that can be read: {error}") from None


def _fix_sizes(graph: Any, sizes: Mapping[str, int]) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]


class _Reader:
    """Reads one model of protobuf."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.ports: dict[str, Port] = {}

    def described(self, path: Path) -> Description:
        graph = self.model.graph
        meta = self._meta()
        constants = tuple(_port_of_tensor(t) for t in graph.initializer)
        self.ports |= {port.name: port for port in constants}
        known = {port.name for port in constants}
        given = [_port(v) for v in graph.input if v.name not in known]
        scalars = {str(k): float(v) for k, v in dict(meta.get("scalars", {})).items()}
        pairs = [dict(row) for row in meta.get("state", [])]
        states = {row.get("input") for row in pairs}
        renewed = {row.get("output") for row in pairs}
        opsets = [o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx")]
        return Description(
            path,
            f"{self.model.producer_name} {self.model.producer_version}".strip(),
            max(opsets, default=0),
            tuple(p for p in given if p.name not in states and p.name not in scalars),
            scalars,
            tuple(p for p in given if p.name in states),
            tuple(_port(v) for v in graph.output if v.name not in renewed),
            constants,
            tuple(self._nodes(graph, 1)),
        )

    def _meta(self) -> dict[str, Any]:
        for entry in self.model.metadata_props:
            if entry.key == METADATA_KEY:
                try:
                    found = json.loads(entry.value)
                except ValueError:
                    return {}
                return found if isinstance(found, dict) else {}
        return {}

    def _nodes(self, graph: Any, runs: int | None) -> list[NodeFacts]:
        self.ports |= {v.name: _port(v) for v in (*graph.input, *graph.value_info, *graph.output)}
        self.ports |= {t.name: _port_of_tensor(t) for t in graph.initializer}
        made: list[NodeFacts] = []
        for node in graph.node:
            made.append(self._facts(node, runs))
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    made += self._nodes(attribute.g, _times(runs, self._runs_of(node)))
        return made

    def _runs_of(self, node: Any) -> int | None:
        """How often the body of a node runs; None if only a call knows."""
        if node.op_type == "If":
            return 1
        if node.op_type != "Scan":
            return None
        counts = [a.i for a in node.attribute if a.name == "num_scan_inputs"]
        port = self.ports.get(node.input[-1]) if counts and counts[0] else None
        first = port.shape[0] if port is not None and port.shape else None
        return first if isinstance(first, int) else None

    def _facts(self, node: Any, runs: int | None) -> NodeFacts:
        inputs = tuple(self.ports.get(n, Port(n, "", None)) for n in node.input if n)
        outputs = tuple(self.ports.get(n, Port(n, "", None)) for n in node.output if n)
        try:
            origin = Origin.parse(node.doc_string)
        except ValueError:
            origin = NOWHERE
        place = f"{origin.file}:{origin.line}" if origin.file else ""
        sizes = [port.nbytes for port in (*inputs, *outputs)]
        nbytes = None if None in sizes else sum(size for size in sizes if size is not None)
        flops = _times(_flops(node, inputs, outputs), runs)
        nbytes = _times(nbytes, runs)
        # What checks an argument says so in the place of a module, in a sentence.
        module = "" if " " in origin.module else origin.module
        name = node.name or node.op_type
        return NodeFacts(
            name, node.op_type, module, place, origin.phase, inputs, outputs, flops, nbytes
        )


def _times(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a * b


def _port(value: Any) -> Port:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return Port(value.name, _dtype(kind.elem_type), None)
    shape = tuple(
        d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim
    )
    return Port(value.name, _dtype(kind.elem_type), shape)


def _port_of_tensor(tensor: Any) -> Port:
    return Port(tensor.name, _dtype(tensor.data_type), tuple(tensor.dims))


def _dtype(element_type: int) -> str:
    import onnx

    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(element_type))
    except (KeyError, TypeError, ValueError):
        return ""


# -- costs ---------------------------------------------------------------------------------------
def _flops(node: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> int | None:
    kind = node.op_type
    if kind in _MOVES:
        return 0
    rule = _RULES.get(kind)
    if rule is None:
        read = kind.startswith(("Reduce", "ArgM", "CumSum")) or "Pool" in kind
        port = (inputs if read else outputs)[:1]
        return port[0].elements if port else 0
    if any(port.elements is None for port in (*inputs, *outputs[:1])):
        return None
    return rule(
        {a.name: a for a in node.attribute}, [_sizes(port) for port in inputs], _sizes(outputs[0])
    )


def _sizes(port: Port) -> tuple[int, ...]:
    return tuple(d for d in port.shape or () if isinstance(d, int))


Attributes = Mapping[str, Any]
Sizes = tuple[int, ...]


def _matmul(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
    return 2 * math.prod(output) * inputs[0][-1]


def _gemm(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
    turned = "transA" in attributes and attributes["transA"].i
    return 2 * math.prod(output) * inputs[0][0 if turned else 1]


def _convolution(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
    return 2 * math.prod(output) * math.prod(inputs[1][1:])


def _transposed(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _einsum(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
    terms = attributes["equation"].s.decode().replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, inputs, strict=True):
        sizes |= zip(term, shape, strict=True)
    return 2 * math.prod(sizes.values())


def _recurrent(gates: int) -> Callable[[Attributes, list[Sizes], Sizes], int]:
    def rule(attributes: Attributes, inputs: list[Sizes], output: Sizes) -> int:
        steps, batch, width = inputs[0]
        directions, rows, _ = inputs[1]
        hidden = rows // gates
        return 2 * steps * batch * directions * gates * hidden * (width + hidden)

    return rule


_RULES: dict[str, Callable[[Attributes, list[Sizes], Sizes], int]] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "Einsum": _einsum,
    "RNN": _recurrent(1),
    "GRU": _recurrent(3),
    "LSTM": _recurrent(4),
}

"""What a step takes and gives, as JSON of a manifest: for hosts in any language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nngraph.ir.dims import SymDim, as_dim
from nngraph.ir.dtypes import DTYPES
from nngraph.ir.roles import Role
from nngraph.ir.signature import OutputPort, Port, Signature, StatePort
from nngraph.ir.types import TensorType
from nngraph.runtime.bundle.fields import a_list, a_name, a_number, a_size, an_object
from nngraph.runtime.bundle.results import as_json

__all__ = [
    "port_json",
    "read_scalars",
    "read_signature",
    "read_type",
    "signature_json",
    "state_json",
    "type_json",
]

_DTYPES = {dtype.name: dtype for dtype in DTYPES}


def signature_json(signature: Signature, scalars: Mapping[str, float]) -> dict[str, Any]:
    """``inputs``, ``scalars`` with their values, ``state`` and ``outputs``."""
    return {
        "inputs": [port_json(p) for p in signature.inputs],
        "scalars": [port_json(p) | {"value": as_json(scalars[p.name])} for p in signature.scalars],
        "state": [state_json(p) | {"output": p.output} for p in signature.states],
        "outputs": [port_json(p) | {"role": p.role.value, "of": p.of} for p in signature.outputs],
    }


def port_json(port: Port) -> dict[str, Any]:
    """Name and type."""
    return {"name": port.name} | type_json(port.type)


def state_json(port: StatePort) -> dict[str, Any]:
    """Name, type, and the name under which a call takes it."""
    return port_json(port) | {"input": port.input}


def type_json(type: TensorType) -> dict[str, Any]:
    """Dtype and shape; open sizes are texts."""
    shape = [str(d) if isinstance(d, SymDim) else d for d in type.shape]
    return {"dtype": type.dtype.name, "shape": shape}


def read_scalars(data: Mapping[str, Any]) -> dict[str, float]:
    """The value of each scalar.

    Raises:
        KeyError, TypeError, ValueError: if the data are not as they have to be.
    """
    return {row["name"]: a_number(row["value"]) for row in data["scalars"]}


def read_signature(data: Mapping[str, Any], named_outputs: bool = True) -> Signature:
    """The signature that ``signature_json`` described.

    Args:
        data: with the keys ``inputs``, ``scalars``, ``state``, ``outputs``.
        named_outputs: whether states say their outputs, and outputs their roles.

    Raises:
        KeyError, TypeError, ValueError: if the data are not as they have to be.
    """
    made = Signature(
        tuple(Port(*_name_and_type(row)) for row in a_list(data["inputs"])),
        tuple(Port(*_name_and_type(row)) for row in a_list(data["scalars"])),
        tuple(_state_port(row, named_outputs) for row in a_list(data["state"])),
        tuple(_output_port(row, named_outputs) for row in a_list(data["outputs"])),
    )
    names = [p.name for p in (*made.inputs, *made.scalars, *made.outputs)]
    names += [name for p in made.states for name in (p.input, p.output) if name is not None]
    if len({*names}) != len(names) or len({p.name for p in made.states}) != len(made.states):
        raise ValueError("two inputs, outputs or states have one name")
    if any(not port.type.is_static for port in made.states):
        raise ValueError("a state has sizes that are numbers")
    return made


def _state_port(row: Any, has_output: bool) -> StatePort:
    output = row["output"] if has_output else None
    after = None if output is None else a_name(output)
    return StatePort(*_name_and_type(row), a_name(row["input"]), after)


def _output_port(row: Any, has_role: bool) -> OutputPort:
    if not has_role:
        return OutputPort(*_name_and_type(row))
    of = row["of"]
    return OutputPort(*_name_and_type(row), Role(row["role"]), of if of == "" else a_name(of))


def _name_and_type(row: Any) -> tuple[str, TensorType]:
    return a_name(an_object(row)["name"]), read_type(row)


def read_type(row: Any) -> TensorType:
    """The type that ``type_json`` described; likewise."""
    dtype, shape = an_object(row)["dtype"], a_list(row["shape"])
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"there is no dtype {dtype!r:.40}")
    if len(shape) > 64:
        raise ValueError(f"a shape has {len(shape)} sizes")
    dims = (as_dim(a_name(d)) if isinstance(d, str) else a_size(d) for d in shape)
    return TensorType(_DTYPES[dtype], tuple(dims))

"""The interface of a graph as one value: names, types and roles of all that goes in and out.

Who traces a function, emits a graph, runs it or writes it to a file asks this value; nobody keeps
lists of positions of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from nngraph.ir.dims import SymDim
from nngraph.ir.graph import Graph
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.types import TensorType, parse_type

__all__ = ["OutputPort", "Port", "Signature", "SignatureError", "StatePort", "signature_of"]

_T = TypeVar("_T")


class SignatureError(ValueError):
    """Data that is no signature; the text says where."""


@dataclass(frozen=True)
class Port:
    """An input or a host scalar."""

    name: str
    type: TensorType


@dataclass(frozen=True)
class OutputPort(Port):
    """An output with what it is for; ``of`` names the argument or tensor that it belongs to."""

    role: Role = Role.RESULT
    of: str = ""


@dataclass(frozen=True)
class StatePort(Port):
    """A state: its own name, and what a call reads and leaves.

    Attributes:
        input: name under which a call takes it.
        output: name under which a call gives its new value; None if no call changes it.
    """

    input: str
    output: str | None = None

    @property
    def is_changed(self) -> bool:
        return self.output is not None


@dataclass(frozen=True)
class Signature:
    """What a graph takes and gives, each group in the graph's order.

    The names of inputs, scalars, ``StatePort.input``, outputs and ``StatePort.output`` are unique,
    all together. A state's own name is unique among states.

    Attributes:
        inputs: the arguments of each call.
        scalars: host numbers, read at each call.
        states: tensors that live from call to call.
        outputs: what a call gives besides new states.
    """

    inputs: tuple[Port, ...] = ()
    scalars: tuple[Port, ...] = ()
    states: tuple[StatePort, ...] = ()
    outputs: tuple[OutputPort, ...] = ()

    @cached_property
    def changed(self) -> tuple[int, ...]:
        """Positions of the states that a call changes."""
        return tuple(i for i, s in enumerate(self.states) if s.is_changed)

    def serves(self, traced: Signature) -> bool:
        """True if this is the signature of a traced graph after some passes.

        They may have found that a call leaves a state as it is, which the code has assigned.
        """
        states = tuple(
            own if own.is_changed else replace(own, output=other.output)
            for own, other in zip(self.states, traced.states, strict=False)
        )
        same = len(self.states) == len(traced.states)
        return same and replace(self, states=states) == traced

    def with_role(self, role: Role) -> tuple[OutputPort, ...]:
        """The outputs of one role."""
        return tuple(o for o in self.outputs if o.role is role)

    def arguments(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[Array, ...]:
        """One array for each of the graph's parameters, in their order."""
        numbers = [
            np.asarray(number, port.type.dtype.numpy)
            for number, port in zip(scalars, self.scalars, strict=True)
        ]
        return (*inputs, *numbers, *states)

    def sizes(self, inputs: Sequence[Array]) -> dict[str, int]:
        """The size that each named dimension of an input has in a call.

        Raises:
            ValueError: if a name has different sizes.
        """
        found: dict[str, tuple[int, str]] = {}
        for port, array in zip(self.inputs, inputs, strict=True):
            for axis, (dim, size) in enumerate(zip(port.type.shape, array.shape, strict=True)):
                if not isinstance(dim, SymDim):
                    continue
                known, place = found.setdefault(str(dim), (size, f"{port.name}.shape[{axis}]"))
                if known != size:
                    raise ValueError(
                        f"{port.name}.shape[{axis}] is {size} and {place} is {known}: the function "
                        f"was traced for one size of both, {str(dim)!r}"
                    )
        return {name: size for name, (size, _) in found.items()}

    # -- JSON ------------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, from which ``from_json`` makes an equal signature."""
        return {
            "inputs": [_plain(p) for p in self.inputs],
            "scalars": [_plain(p) for p in self.scalars],
            "states": [_plain(p) | {"input": p.input, "output": p.output} for p in self.states],
            "outputs": [_plain(p) | {"role": p.role.value, "of": p.of} for p in self.outputs],
        }

    @staticmethod
    def from_json(data: object) -> Signature:
        """The signature that ``to_json`` described.

        Raises:
            SignatureError: if the data has another form.
        """
        return Signature(
            _ports(data, "inputs", lambda row: Port(*_name_and_type(row))),
            _ports(data, "scalars", lambda row: Port(*_name_and_type(row))),
            _ports(data, "states", _state_port),
            _ports(data, "outputs", _output_port),
        )


def signature_of(graph: Graph) -> Signature:
    """The signature of a graph; inputs and outputs without a name get one by position."""
    fresh = UniqueNames().fresh
    inputs = [Port(fresh(v.hint or f"input_{i}"), v.type) for i, v in enumerate(graph.inputs)]
    scalars = [Port(fresh(name), v.type) for name, v in graph.scalars.items()]
    states = graph.states
    taken = [fresh(s.name) for s in states]
    outputs = [
        OutputPort(fresh(label.name or f"output_{i}"), value.type, label.role, label.of)
        for i, (value, label) in enumerate(zip(graph.outputs, graph.labels, strict=True))
    ]
    ports = [
        StatePort(s.name, s.input.type, name, fresh(f"{s.name}.next") if s.is_changed else None)
        for s, name in zip(states, taken, strict=True)
    ]
    return Signature(tuple(inputs), tuple(scalars), tuple(ports), tuple(outputs))


def _plain(port: Port) -> dict[str, Any]:
    return {"name": port.name, "type": str(port.type)}


def _ports(data: object, group: str, port: Callable[[Any], _T]) -> tuple[_T, ...]:
    if not isinstance(data, Mapping) or not isinstance(data.get(group), list):
        raise SignatureError(f"a signature holds a list of {group!r}")
    made = []
    for position, row in enumerate(data[group]):
        try:
            made.append(port(row))
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureError(f"{group}[{position}] of a signature: {error!r}") from None
    return tuple(made)


def _text(row: Mapping[str, Any], key: str) -> str:
    if not isinstance(row[key], str):
        raise TypeError(f"{key!r} is {row[key]!r}; a text is wanted")
    found: str = row[key]
    return found


def _name_and_type(row: Mapping[str, Any]) -> tuple[str, TensorType]:
    return _text(row, "name"), parse_type(_text(row, "type"))


def _state_port(row: Mapping[str, Any]) -> StatePort:
    after = None if row["output"] is None else _text(row, "output")
    return StatePort(*_name_and_type(row), _text(row, "input"), after)


def _output_port(row: Mapping[str, Any]) -> OutputPort:
    return OutputPort(*_name_and_type(row), Role(_text(row, "role")), _text(row, "of"))

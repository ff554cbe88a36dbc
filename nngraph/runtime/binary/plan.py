"""A program as JSON that a runner in any language can follow: storages, and calls in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nngraph.backends.tvm.program.program import (
    FRESH,
    Call,
    Check,
    KernelSpec,
    Linked,
    Loop,
    Place,
    Program,
    Storage,
)
from nngraph.backends.tvm.tiles import CHUNK, PARTS
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ops.core import Literal
from nngraph.runtime.bundle.fields import a_list, a_name, a_size, an_object
from nngraph.runtime.bundle.interface import read_signature, read_type, signature_json, type_json

__all__ = ["program_json", "read_program"]

_COUNTED = (Place.INPUT, Place.SCALAR, Place.STATE)


# -- to JSON -------------------------------------------------------------------------------
def program_json(
    program: Program, symbols: Sequence[str], constants: dict[str, Array]
) -> dict[str, Any]:
    """Plain data; docs/binaries.md says what each key means.

    Args:
        program: as emitted.
        symbols: of each of its ``all_kernels``.
        constants: takes the program's constants, by the names that the data refer to.
    """
    return _Writer(iter(symbols), constants).program(program)


class _Writer:
    def __init__(self, symbols: Iterator[str], constants: dict[str, Array]) -> None:
        self._symbols = symbols
        self._constants = constants

    def program(self, program: Program) -> dict[str, Any]:
        kernels = [self._kernel(spec) for spec in program.kernels]
        kept = _kept(program)
        number = {old: new for new, old in enumerate(kept)}
        return {
            "arena": program.arena,
            "storages": [_storage(program.storages[i]) for i in kept],
            "constants": [self._constant(literal) for literal in program.constants],
            "kernels": kernels,
            "calls": [self._call(call, number) for call in program.calls],
            "before": program.before,
            "outputs": [number[i] for i in program.outputs],
            "new_states": [number[i] for i in program.new_states],
            "checks": [
                {"what": c.what, "axis": c.axis, "size": c.size, "origin": c.origin}
                for c in program.checks
            ],
        }

    def _constant(self, literal: Literal) -> str:
        name = str(len(self._constants))
        self._constants[name] = literal.array
        return name

    def _kernel(self, spec: KernelSpec) -> dict[str, Any]:
        symbol = next(self._symbols)
        if spec.table is None:
            return {"symbol": symbol}
        own = {out for out, _ in spec.aliases}
        made = [t for i, t in enumerate(spec.outputs) if i not in own]
        operands = [type_json(t) for t in (*spec.inputs, *made)]
        return {"symbol": symbol, "chunk": CHUNK, "parts": PARTS, "operands": operands}

    def _call(self, call: Call, number: Mapping[int, int]) -> dict[str, Any]:
        row: dict[str, Any] = {"arguments": [number[i] for i in call.arguments]}
        if call.loop is None:
            row["kernel"] = call.kernel
        if call.status is not None:
            row["status"] = call.status
        if call.sizes:
            row["sizes"] = list(call.sizes)
        if call.loop is not None:
            row["loop"] = self._loop(call.loop)
        return row | {"origin": call.origin}

    def _loop(self, loop: Loop) -> dict[str, Any]:
        return {
            **signature_json(loop.program.signature, {}),
            "program": self.program(loop.program),
            "carries": loop.carries,
            "consts": loop.consts,
            "length": loop.length,
            "reverse": loop.reverse,
        }


def _kept(program: Program) -> list[int]:
    """All storages but those of the arena that became something else."""
    used = {i for call in program.calls for i in call.arguments}
    used.update(program.outputs, program.new_states)
    rows = enumerate(program.storages)
    return [i for i, s in rows if i in used or s.place is not Place.ARENA]


def _storage(storage: Storage) -> dict[str, Any]:
    key = "offset" if storage.place is Place.ARENA else "index"
    return {"place": storage.place.value, key: storage.index} | type_json(storage.type)


# -- from JSON -----------------------------------------------------------------------------
def read_program(data: Any, signature: Signature, constants: Mapping[str, Array]) -> Program:
    """The program that ``program_json`` described; its kernels are ``Linked``.

    Raises:
        KeyError, TypeError, ValueError: if the data are not as they have to be.
    """
    literals = [_constant(constants, name) for name in a_list(data["constants"])]
    kernels = tuple(_kernel(row) for row in a_list(data["kernels"]))
    storages = tuple(_read_storage(row) for row in a_list(data["storages"]))
    checks = tuple(_check(row) for row in a_list(data["checks"]))
    number = _Below(len(storages), "storage")
    calls = tuple(_read_call(row, kernels, number, constants) for row in a_list(data["calls"]))
    made = Program(
        signature,
        kernels,
        storages,
        calls,
        _Below(len(calls) + 1, "call")(data["before"]),
        tuple(number(i) for i in a_list(data["outputs"])),
        tuple(number(i) for i in a_list(data["new_states"])),
        tuple(literals),
        checks,
        a_size(data["arena"]),
    )
    _need_whole(made)
    return made


class _Below:
    """Numbers of things, of which there are so many."""

    def __init__(self, count: int, of: str) -> None:
        self.count = count
        self.of = of

    def __call__(self, value: Any) -> int:
        found = a_size(value)
        if found >= self.count:
            raise ValueError(f"there is no {self.of} {found}: there are {self.count}")
        return found


def _constant(constants: Mapping[str, Array], name: Any) -> Literal:
    if a_name(name) not in constants:
        raise ValueError(f"there is no constant {name!r:.60}")
    return Literal(np.array(constants[name]))


def _kernel(row: Any) -> KernelSpec:
    symbol = a_name(an_object(row)["symbol"])
    if "operands" not in row:
        return KernelSpec(Linked(symbol), (), ())
    chunk, parts = a_size(row["chunk"]), a_size(row["parts"])
    if not chunk or not parts:
        raise ValueError(f"the kernel {symbol!r:.60} takes pieces of {chunk} elements in {parts}")
    operands = tuple(read_type(operand) for operand in a_list(row["operands"]))
    return KernelSpec(Linked(symbol, chunk, parts), operands, ())


def _read_storage(row: Any) -> Storage:
    place = Place(an_object(row)["place"])
    index = a_size(row["offset" if place is Place.ARENA else "index"])
    return Storage(place, index, read_type(row))


def _check(row: Any) -> Check:
    axis = an_object(row)["axis"]
    where = row["origin"]
    if not isinstance(where, str):
        raise ValueError("an origin is a text")
    return Check(
        a_name(row["what"]), None if axis is None else a_size(axis), a_size(row["size"]), where
    )


def _read_call(
    row: Any, kernels: Sequence[KernelSpec], number: _Below, constants: Mapping[str, Array]
) -> Call:
    loop = an_object(row).get("loop")
    sizes = tuple(a_size(n) for n in a_list(row.get("sizes", [])))
    kernel = _Below(len(kernels), "kernel")(row["kernel"]) if loop is None else -1
    arguments = tuple(number(i) for i in a_list(row["arguments"]))
    if (
        loop is None
        and sizes
        and (len(arguments) != len(sizes) * len(kernels[kernel].inputs) or not all(sizes))
    ):
        raise ValueError(f"a call of {len(sizes)} members has {len(arguments)} arguments")
    status = row.get("status")
    return Call(
        kernel,
        arguments,
        str(row["origin"]),
        None if status is None else a_size(status),
        None if loop is None else _read_loop(loop, constants),
        sizes,
    )


def _read_loop(data: Any, constants: Mapping[str, Array]) -> Loop:
    body = read_program(an_object(data)["program"], read_signature(data), constants)
    carries, consts, length = (a_size(data[key]) for key in ("carries", "consts", "length"))
    inputs, outputs = len(body.signature.inputs), len(body.signature.outputs)
    if carries + consts > inputs or carries > outputs or type(data["reverse"]) is not bool:
        raise ValueError("a loop has more carries than its body takes and gives")
    return Loop(body, carries, consts, length, data["reverse"])


def _need_whole(program: Program) -> None:
    """Passes for storages that lie within what they are parts of.

    Raises:
        ValueError: saying what does not fit.
    """
    signature = program.signature
    ports = (signature.inputs, signature.scalars, signature.states)
    types: dict[Place, list[TensorType]] = {
        place: [port.type for port in each] for place, each in zip(_COUNTED, ports, strict=True)
    }
    types[Place.CONSTANT] = [type_of_array(c.array) for c in program.constants]
    for storage in program.storages:
        if not storage.type.is_static:
            raise ValueError(f"a storage of {storage.type} has no size")
        if storage.place is Place.ARENA:
            if storage.index + storage.type.nbytes > program.arena:
                raise ValueError(f"a storage at {storage.index} lies outside of the arena")
        elif storage.place in types:
            _need_type(storage, types[storage.place])
    found = {(s.place, s.index) for s in program.storages}
    wanted = [(place, i) for place in _COUNTED[::2] for i in range(len(types[place]))]
    missing = [f"{place.value} {i}" for place, i in wanted if (place, i) not in found]
    if missing or len(program.outputs) != len(signature.outputs):
        raise ValueError(f"it has no storage for {', '.join(missing) or 'an output'}")
    if len(program.new_states) != len(signature.states):
        raise ValueError("it has not one new value for each state")
    fresh = [program.storages[i] for i in program.outputs]
    if any(s.place not in FRESH for s in fresh if s.type.size):
        raise ValueError("an output is not in memory of its own")
    slots = [c.status for c in program.calls if c.status is not None]
    if any(slot >= len(program.checks) for slot in slots):
        raise ValueError("a call reports to a check that is not there")


def _need_type(storage: Storage, types: Sequence[TensorType]) -> None:
    known = types[storage.index] if storage.index < len(types) else None
    if known is None or known.nbytes != storage.type.nbytes:
        raise ValueError(
            f"{storage.place.value} {storage.index} is {known or 'not there'}; it has "
            f"{storage.type} there"
        )

"""Runs a TVM program in NumPy, in its own arena, and looks at what its calls may do to memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.tvm.fuse.kinds import kernel_inputs
from nngraph.backends.tvm.program.program import (
    Call,
    IndexCheck,
    KernelSpec,
    Loop,
    Place,
    Program,
    ZeroCheck,
)
from nngraph.ir.op import Array
from nngraph.ops.fused import Fused

__all__ = ["run_program"]

POISON = 0xA5


def run_program(
    program: Program,
    inputs: Sequence[Array],
    scalars: Sequence[float] = (),
    states: Sequence[Array] = (),
) -> tuple[list[Array], list[Array]]:
    """(outputs, new states), as an executable gives them; states may be overwritten.

    A call computes from copies of its operands and then writes, so what comes out is right if the
    order of calls and the places of tensors are. Asserted on the way: an output overlaps an operand
    only where the kernel was told, and no state changes while a check may still fail.
    """
    memory = _Memory(program, inputs, scalars, states)
    for position, call in enumerate(program.calls):
        memory.run(call, after=position >= program.before)
    return (
        [memory.arrays[i] for i in program.outputs],
        [memory.arrays[i] for i in program.new_states],
    )


class _Memory:
    def __init__(
        self,
        program: Program,
        inputs: Sequence[Array],
        scalars: Sequence[float],
        states: Sequence[Array],
    ) -> None:
        self.program = program
        self.arena = np.full(max(program.arena, 1), POISON, np.uint8)
        given: dict[Place, Sequence[Any]] = {
            Place.INPUT: inputs,
            Place.SCALAR: scalars,
            Place.STATE: states,
            Place.CONSTANT: [c.array for c in program.constants],
        }
        used = {*program.outputs, *program.new_states}.union(*(c.arguments for c in program.calls))
        self.arrays = {
            i: self._array(s.place, s.index, s.type, given)
            for i, s in enumerate(program.storages)
            if i in used
        }

    def _array(
        self, place: Place, index: int, type: Any, given: dict[Place, Sequence[Any]]
    ) -> Array:
        shape, dtype = type.static_shape, type.dtype.numpy
        if place in given:
            array = np.asarray(given[place][index], dtype)
            assert array.shape == shape
            return array
        if place is Place.ARENA:
            end = index + type.nbytes
            assert end <= len(self.arena), "a storage reaches over the arena's end"
            return self.arena[index:end].view(dtype).reshape(shape)
        return np.full(type.nbytes, POISON, np.uint8).view(dtype).reshape(shape)

    def run(self, call: Call, after: bool) -> None:
        if call.sizes:
            self._run_all(call, after)
            return
        arguments = [self.arrays[i] for i in call.arguments]
        if call.loop is not None:
            taken = len(call.loop.program.signature.inputs)
            assert not (after and call.loop.program.may_fail), "a loop that may fail comes too late"
            results = _run_loop(call.loop, [a.copy() for a in arguments[:taken]])
            targets, apart = arguments[taken:], arguments[:taken]
        else:
            spec = self.program.kernels[call.kernel]
            taken = len(_names(spec))
            if isinstance(spec.op, IndexCheck | ZeroCheck):
                assert not after, "a check comes after the first overwriting"
                return
            results, targets, apart = _computed(spec, arguments)
        self._write(call, after, results, targets, apart)

    def _run_all(self, call: Call, after: bool) -> None:
        """All members read before any writes: one that needs another comes out wrong."""
        spec = self.program.kernels[call.kernel]
        each = len(call.arguments) // len(call.sizes)
        assert each * len(call.sizes) == len(call.arguments)
        everything: list[list[Array]] = [[], [], []]
        for member, size in enumerate(call.sizes):
            numbers = call.arguments[member * each : (member + 1) * each]
            arguments = [self.arrays[i].reshape(-1) for i in numbers]
            assert {a.size for a in arguments} <= {1, size}
            for found, arrays in zip(everything, _computed(spec, arguments), strict=True):
                found += arrays
        self._write(call, after, *everything)

    def _write(
        self,
        call: Call,
        after: bool,
        results: Sequence[Array],
        targets: Sequence[Array],
        apart: Sequence[Array],
    ) -> None:
        storages = self.program.storages
        states = [a for i, a in self.arrays.items() if storages[i].place is Place.STATE]
        for number, (target, result) in enumerate(zip(targets, results, strict=True)):
            others = [*apart, *targets[:number]]
            overlap = any(np.may_share_memory(target, a) for a in others)
            assert not overlap, f"{call} overlaps in\n{self.program}"
            assert after or not any(np.may_share_memory(target, a) for a in states), "too early"
            target[...] = result.reshape(target.shape)


def _computed(
    spec: KernelSpec, arguments: Sequence[Array]
) -> tuple[list[Array], list[Array], list[Array]]:
    """Results, where they go, and the operands that these may not overlap."""
    taken = len(_names(spec))
    results = list(spec.op.eval(*_operands(spec, arguments)))
    made = iter(arguments[taken:])
    aliases = dict(spec.aliases)
    targets = [arguments[aliases[i]] if i in aliases else next(made) for i in range(len(results))]
    apart = [a for i, a in enumerate(arguments[:taken]) if i not in aliases.values()]
    return results, targets, apart


def _names(spec: KernelSpec) -> list[Any]:
    """A name for each input of a kernel; a group may take one twice."""
    if isinstance(spec.op, Fused):
        return list(kernel_inputs(spec.op.body.graph))
    return list(range(len(spec.inputs)))


def _operands(spec: KernelSpec, arguments: Sequence[Array]) -> list[Array]:
    """Copies of what an operator takes, each in its shape."""
    given = dict(zip(_names(spec), arguments, strict=False))
    names = spec.op.body.graph.inputs if isinstance(spec.op, Fused) else range(len(spec.inputs))
    rows = zip(names, spec.inputs, strict=True)
    if spec.table is not None:  # vectors of any size, and numbers
        return [given[n].reshape((-1,) if t.rank else ()).copy() for n, t in rows]
    return [given[n].reshape(t.static_shape).copy() for n, t in rows]


def _run_loop(loop: Loop, operands: list[Array]) -> list[Array]:
    carries, rest = operands[: loop.carries], operands[loop.carries :]
    consts, sequences = rest[: loop.consts], rest[loop.consts :]
    steps = range(loop.length)
    stacks: dict[int, list[Array]] = {}
    for t in reversed(steps) if loop.reverse else steps:
        outputs, _ = run_program(loop.program, [*carries, *consts, *(x[t] for x in sequences)])
        carries = [a.copy() for a in outputs[: loop.carries]]
        stacks[t] = outputs[loop.carries :]
    return [*carries, *(np.stack(rows) for rows in zip(*(stacks[t] for t in steps), strict=True))]

"""Runs a program: a Python loop over (function, tensors)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_copy, aligned_empty, is_aligned
from nngraph.backends.spans import Spans
from nngraph.backends.tvm.looping import Kernel, looping, run_calls, view
from nngraph.backends.tvm.program.program import FRESH, Call, Linked, Place, Program, Storage
from nngraph.backends.tvm.tensors import TensorTable
from nngraph.backends.tvm.threads import ThreadCount
from nngraph.ir.op import Array

__all__ = ["TvmExecutable"]

Slots = list[tuple[list[Any] | TensorTable, int, bool]]


class TvmExecutable:
    """A loaded program. One call at a time: its arena is shared by all calls.

    Args:
        program: what to run.
        functions: the compiled kernel of each of ``program.all_kernels``.
        threads: how many a call uses; None leaves that to the caller, as for a loop's body.
    """

    def __init__(
        self, program: Program, functions: Sequence[Kernel], threads: ThreadCount | None = None
    ) -> None:
        self.program = program
        self._threads = threads
        self._arena = aligned_empty((max(program.arena, 1),), np.uint8)
        self._status = aligned_empty((max(len(program.checks), 1), 8), np.int64)
        self._scalars = [aligned_empty((), p.type.dtype.numpy) for p in program.signature.scalars]
        self._constants = [aligned_copy(c.array) for c in program.constants]
        self._nothing = view(aligned_empty((1,), np.uint8))
        self._slots: dict[int, Slots] = {}
        self._nested = iter(functions[len(program.kernels) :])
        calls = [self._bind(c, functions) for c in program.calls]
        self._before, self._after = calls[: program.before], calls[program.before :]
        self._fresh = [i for i, s in enumerate(program.storages) if s.place in FRESH]
        self._inputs = self._find(Place.INPUT, len(program.signature.inputs))
        self._states = self._find(Place.STATE, len(program.signature.states))
        self._last: dict[int, Array] = {}
        self._own: dict[int, Array] = {}  # copies of what kernels cannot take
        self._overwrites = program.before < len(program.calls)
        self._spans = Spans()  # of the states, where calls overwrite them

    def _find(self, place: Place, count: int) -> list[int]:
        found = {s.index: i for i, s in enumerate(self.program.storages) if s.place is place}
        return [found[i] for i in range(count)]

    def _bind(self, call: Call, functions: Sequence[Kernel]) -> list[Any]:
        """A call as a list: its function, then its arguments.

        Those that change from call to call are filled in by ``_point``.
        """
        if call.sizes:
            return self._bind_all(call, functions)
        loop = call.loop
        raw = loop is not None
        bound = [None, *(self._fixed(i, raw) for i in call.arguments)]
        for position, storage in enumerate(call.arguments, 1):
            if bound[position] is None:
                self._slots.setdefault(storage, []).append((bound, position, raw))
        if call.status is not None:
            bound.append(view(self._status[call.status]))
        if loop is not None:
            own = [next(self._nested) for _ in loop.program.all_kernels]
            bound[0] = looping(loop, TvmExecutable(loop.program, own), own)
        else:
            bound[0] = functions[call.kernel]
        return bound

    def _bind_all(self, call: Call, functions: Sequence[Kernel]) -> list[Any]:
        """A call over a table of tensors."""
        spec = self.program.kernels[call.kernel]
        own = {out for out, _ in spec.aliases}
        made = [t for i, t in enumerate(spec.outputs) if i not in own]
        cut = (spec.op.chunk, spec.op.parts) if isinstance(spec.op, Linked) else ()
        table = TensorTable(call.sizes, [*spec.inputs, *made], *cut)
        for position, storage in enumerate(call.arguments):
            array = self._fixed(storage, True)
            if array is None:
                self._slots.setdefault(storage, []).append((table, position, True))
            else:
                table[position] = array
        return [functions[call.kernel], *map(view, table.arrays)]

    def fixed(self, number: int) -> Any:
        """The tensor of a storage that stays where it is from call to call; None: it does not."""
        return self._fixed(number, False)

    def _fixed(self, number: int, raw: bool) -> Any:
        """The tensor (or array) of a storage that stays where it is from call to call."""
        storage = self.program.storages[number]
        array = self._fixed_array(storage)
        if array is None or raw:
            return array
        return view(array) if storage.type.size else self._nothing

    def _fixed_array(self, storage: Storage) -> Array | None:
        kind, shape = storage.type.dtype.numpy, storage.type.static_shape
        if storage.place is Place.EMPTY:
            return np.empty(shape, kind)
        if storage.place is Place.ARENA:
            end = storage.index + storage.type.nbytes
            return self._arena[storage.index : end].view(kind).reshape(shape)
        if storage.place is Place.SCALAR:
            return self._scalars[storage.index]
        return self._constants[storage.index] if storage.place is Place.CONSTANT else None

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """One call; see ``nngraph.backends.base.Executable``.

        Raises:
            IndexError: if an operator met an index out of range; states are as they were.
            ZeroDivisionError: if an integer was to be divided by zero; likewise.
        """
        if self._threads is not None:
            self._threads.use()
        for array, value in zip(self._scalars, scalars, strict=True):
            array[...] = value
        last = self._last
        if any(last.get(s) is not a for s, a in zip(self._states, states, strict=True)):
            self._give_states(states)
        for storage, array in zip(self._inputs, inputs, strict=True):
            if last.get(storage) is not array:
                self._give(storage, array)
        fresh = {i: self._make(i) for i in self._fresh}
        self._compute()
        run_calls(self._after)
        given = dict(zip(self._states, states, strict=True))
        outputs = [fresh[i] for i in self.program.outputs]
        return outputs, [
            fresh[i] if i in fresh else self._own.get(i, given[i]) for i in self.program.new_states
        ]

    def _compute(self) -> None:
        """All calls that leave states alone, then the check of what they report."""
        checks = self.program.checks
        if checks:
            self._status.fill(0)
        run_calls(self._before)
        if checks and self._status[:, 0].any():
            self._raise()

    def _raise(self) -> None:
        slot = int(np.flatnonzero(self._status[:, 0])[0])
        raise self.program.checks[slot].error(int(self._status[slot, 1]))

    def _make(self, number: int) -> Array:
        type = self.program.storages[number].type
        array = aligned_empty(type.static_shape, type.dtype.numpy)
        self._point(number, array)
        return array

    def _give_states(self, states: Sequence[Array]) -> None:
        """Lets the kernels use the states' arrays; inputs are compared with them anew."""
        self._spans = Spans()
        for storage, array in zip(self._states, states, strict=True):
            self._give(storage, array)
            if self._overwrites and storage in self._last:
                self._spans.add(array)
        for storage in self._inputs:
            self._last.pop(storage, None)

    def _give(self, number: int, array: Array) -> None:
        """Lets the kernels use a caller's array, or a copy where they cannot: one that lies in a
        state's memory would change while they read it.
        """
        usable = is_aligned(array) and array.flags.writeable
        if usable and not self._spans.near(array):
            if self._last.get(number) is not array:
                self._point(number, array)
            self._last[number] = array
            self._own.pop(number, None)
        else:
            self._own[number] = aligned_copy(array)
            self._point(number, self._own[number])
            self._last.pop(number, None)

    def _point(self, number: int, array: Array) -> None:
        slots = self._slots.get(number)
        if slots:
            tensor = view(array) if array.size else self._nothing
            for arguments, position, raw in slots:
                arguments[position] = array if raw else tensor

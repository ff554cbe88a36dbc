"""Runs the nested program of a loop over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from operator import call as apply
from operator import is_
from typing import Any, Protocol

import numpy as np

from nngraph.backends.arrays import aligned_empty, is_aligned
from nngraph.backends.tvm.program.program import FRESH, Loop, Place, Program
from nngraph.ir.op import Array

__all__ = ["Body", "Kernel", "looping", "run_calls", "view"]

Kernel = Callable[..., None]


class Body(Protocol):
    """A loaded program that a loop runs."""

    program: Program

    def fixed(self, number: int) -> Any:
        """The tensor of a storage that stays where it is from call to call."""
        ...

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """One call."""
        ...


def looping(loop: Loop, body: Body, functions: Sequence[Kernel]) -> Callable[..., None]:
    """What runs all steps: ``f(carries, consts, sequences, last carries, stacked results)``.

    Args:
        loop: what to run.
        body: its loaded program.
        functions: the compiled kernels of that.
    """
    program, arguments = loop.program, _Arguments(loop)
    outputs = program.outputs
    plain = not program.may_fail and not program.loops and program.before == len(program.calls)
    fresh = all(program.storages[i].place in FRESH for i in outputs)
    stacks = outputs[loop.carries :]
    if plain and fresh and len(set(stacks)) == len(stacks):
        return _Listed(loop, body, functions, arguments)
    return _Stepwise(loop, body, arguments)


class _Arguments:
    """The arrays of a call, in the shapes that the body takes.

    A storage has the shape of the value that it was made for: others are reshaped ones of it.
    """

    def __init__(self, loop: Loop) -> None:
        signature, length = loop.program.signature, loop.length
        taken = [p.type.static_shape for p in signature.inputs]
        given = [p.type.static_shape for p in signature.outputs]
        steps, first = loop.carries + loop.consts, loop.carries
        self.first_step, self.taken, self.carries = steps, len(taken), first
        self.count = len(taken) + len(given)
        self._shapes = [
            *taken[:steps],
            *((length, *shape) for shape in taken[steps:]),
            *given[:first],
            *((length, *shape) for shape in given[first:]),
        ]

    def shaped(self, position: int, array: Array) -> Array:
        return array.reshape(self._shapes[position])

    def all(self, arrays: Sequence[Array]) -> list[Array]:
        return [self.shaped(i, a) for i, a in enumerate(arrays)]


class _Stepwise:
    """Step by step in Python: for bodies that may fail, and bodies with loops of their own."""

    def __init__(self, loop: Loop, body: Body, arguments: _Arguments) -> None:
        self.loop = loop
        self.body = body
        self._arguments = arguments

    def __call__(self, *arrays: Array) -> None:
        loop, known = self.loop, self._arguments
        given = known.all(arrays)
        carries = given[: loop.carries]
        consts = given[loop.carries : known.first_step]
        sequences = given[known.first_step : known.taken]
        last = given[known.taken : known.taken + loop.carries]
        stacks = given[known.taken + loop.carries :]
        for t in _order(loop):
            results, _ = self.body.run([*carries, *consts, *(x[t, ...] for x in sequences)], [], [])
            carries = results[: loop.carries]
            for stack, y in zip(stacks, results[loop.carries :], strict=True):
                stack[t] = y
        for target, carry in zip(last, carries, strict=True):
            target[...] = carry


class _Listed:
    """All steps as one list of calls, with no Python between them.

    Carries go back and forth between two buffers, but for those that are stacked, too: the next
    step reads them in the stack. A step reads its slices and writes its results
    where they are, or through a buffer if they are not aligned there. The list stays from call to
    call: only what depends on arrays that moved is made anew.
    """

    def __init__(
        self, loop: Loop, body: Body, functions: Sequence[Kernel], arguments: _Arguments
    ) -> None:
        self._arguments = arguments
        self._known: list[Array | None] = [None] * arguments.count
        self._slots: dict[int, list[tuple[list[Any], int, int | None, bool]]] = {}
        self._buffers: dict[int, Array] = {}
        self._nothing = view(aligned_empty((1,), np.uint8))
        self._calls: list[list[Any]] = []
        storages = enumerate(loop.program.storages)
        self._input_of = {i: s.index for i, s in storages if s.place is Place.INPUT}
        # of a storage with several outputs, which all are one value, the stacked one, or the first
        outputs = list(enumerate(loop.program.outputs))
        self._output_of = {i: j for j, i in (*reversed(outputs), *outputs[loop.carries :])}
        self._kept = [self._output_of[i] for i in loop.program.outputs[: loop.carries]]
        self._build(loop, body, functions)

    def __call__(self, *arrays: Array) -> None:
        known = self._known
        if not all(map(is_, known, arrays)):
            for position, array in enumerate(arrays):
                if known[position] is not array:
                    self._point(position, self._arguments.shaped(position, array))
                    known[position] = array
        run_calls(self._calls)

    def _point(self, position: int, array: Array) -> None:
        for bound, place, t, raw in self._slots.get(position, ()):
            part = array if t is None else array[t, ...]
            bound[place] = part if raw else self._view(part)

    def _view(self, array: Array) -> Any:
        return view(array) if array.size else self._nothing

    # -- the list --------------------------------------------------------------------------
    def _build(self, loop: Loop, body: Body, functions: Sequence[Kernel]) -> None:
        known, types = self._arguments, [p.type for p in loop.program.signature.inputs]
        pairs = [
            [aligned_empty(t.static_shape, t.dtype.numpy) for t in types[: loop.carries]]
            for _ in range(2)
        ]
        self._find_buffers(loop)
        steps = list(_order(loop))
        for number, t in enumerate(steps):
            self._copy_in(t)
            before = None if number == 0 else (steps[number - 1], pairs[(number - 1) % 2])
            after = None if number == len(steps) - 1 else pairs[number % 2]
            for call in loop.program.calls:
                bound: list[Any] = [functions[call.kernel]]
                self._calls.append(bound)
                for storage in call.arguments:
                    self._add(bound, storage, t, before, after, body)
            self._copy_out(t)
        for i, kept in enumerate(self._kept):
            if not steps:
                self._copy(known.taken + i, i, None)
            elif kept != i:
                stacked = kept >= known.carries
                self._copy(known.taken + i, known.taken + kept, steps[-1] if stacked else None)

    def _copy(self, target: int, source: int, t: int | None) -> None:
        """At last, one argument, or its slice at ``t``, to another."""
        bound = [np.copyto, None, None]
        self._calls.append(bound)
        self._slots.setdefault(target, []).append((bound, 1, None, True))
        self._slots.setdefault(source, []).append((bound, 2, t, True))

    def _add(
        self,
        bound: list[Any],
        storage: int,
        t: int,
        before: tuple[int, list[Array]] | None,
        after: list[Array] | None,
        body: Body,
    ) -> None:
        """One more argument of a call: a tensor, or None where ``_point`` will put one."""
        known = self._arguments
        carries = after
        if storage in self._input_of:
            index = position = self._input_of[storage]
            carries = None
            if before is not None and index < known.carries:
                t, carries = before
                index = self._kept[index]
                position = known.taken + index
        elif storage in self._output_of:
            index = self._output_of[storage]
            position = known.taken + index
        else:
            bound.append(body.fixed(storage))
            return
        if carries is not None and index < known.carries:
            bound.append(self._view(carries[index]))
        elif position in self._buffers:
            bound.append(self._view(self._buffers[position]))
        else:
            at = t if self._is_timed(position) else None
            self._slots.setdefault(position, []).append((bound, len(bound), at, False))
            bound.append(None)

    def _is_timed(self, position: int) -> bool:
        known = self._arguments
        if position < known.taken:
            return position >= known.first_step
        return position >= known.taken + known.carries

    def _find_buffers(self, loop: Loop) -> None:
        """For slices that are not aligned where they are."""
        signature = loop.program.signature
        for position, port in enumerate((*signature.inputs, *signature.outputs)):
            if not self._is_timed(position):
                continue
            shape, kind = port.type.static_shape, port.type.dtype.numpy
            if not is_aligned(aligned_empty((2, *shape), kind)[1, ...]):
                self._buffers[position] = aligned_empty(shape, kind)

    def _copy_in(self, t: int) -> None:
        for position, buffer in self._buffers.items():
            if position < self._arguments.taken:
                bound = [np.copyto, buffer, None]
                self._calls.append(bound)
                self._slots.setdefault(position, []).append((bound, 2, t, True))

    def _copy_out(self, t: int) -> None:
        for position, buffer in self._buffers.items():
            if position >= self._arguments.taken:
                bound = [np.copyto, None, buffer]
                self._calls.append(bound)
                self._slots.setdefault(position, []).append((bound, 1, t, True))


def _order(loop: Loop) -> Iterator[int]:
    steps = range(loop.length)
    return iter(reversed(steps) if loop.reverse else steps)


def run_calls(calls: Sequence[list[Any]]) -> None:
    """Runs bound calls in order, with no Python between them.

    Signals are handled between bytecodes: an interrupt waits until all calls are done, so that it
    never leaves states half updated.
    """
    deque(starmap(apply, calls), maxlen=0)


def view(array: Array) -> Any:
    """What kernels take: the bytes of an aligned contiguous array, not copied."""
    import tvm_ffi

    return tvm_ffi.from_dlpack(array.reshape(-1).view(np.uint8))

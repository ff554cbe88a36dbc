"""Notes how long each call of a program takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.looping import Kernel
from nngraph.backends.tvm.program.program import Call, Program
from nngraph.backends.tvm.threads import ThreadCount
from nngraph.backends.watch import Part, Piece, Recording, Stopwatch
from nngraph.ir.op import Array

__all__ = ["WatchedProgram"]


class WatchedProgram(TvmExecutable):
    """A program each of whose calls is timed; a loop's steps are one call."""

    def __init__(
        self, program: Program, functions: Sequence[Kernel], threads: ThreadCount | None = None
    ) -> None:
        super().__init__(program, functions, threads)
        self._watch = Stopwatch()
        for number, bound in enumerate((*self._before, *self._after)):
            bound[0] = self._timed(number, bound[0])

    def _timed(self, number: int, function: Callable[..., Any]) -> Callable[..., Any]:
        clock, note = time.perf_counter, self._watch.note

        def timed(*arguments: Any) -> None:
            start = clock()
            function(*arguments)
            note(number, start)

        return timed

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        self._watch.begin()
        results = super().run(inputs, scalars, states)
        self._watch.end()
        return results

    def recorded(self) -> Recording:
        pieces = (_piece(i, call, self.program) for i, call in enumerate(self.program.calls))
        return Recording(tuple(pieces), tuple(self._watch.turns), self.program.arena)

    def close(self) -> None:
        pass


def _piece(number: int, call: Call, program: Program) -> Piece:
    name = "scan" if call.loop is not None else program.kernels[call.kernel].op.name
    name = name if call.parts else "copy"  # of a state or result to its place
    parts = tuple(Part(operator, origin) for operator, origin in call.parts)
    return Piece(f"{name}#{number}", name, parts, call.nbytes)

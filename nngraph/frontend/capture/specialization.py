"""One trace of a function, compiled: checks its guards and runs it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from nngraph.backends.base import Artifact
from nngraph.backends.build import Built
from nngraph.backends.watch import Recording
from nngraph.frontend.capture.arguments import Argument
from nngraph.frontend.capture.effects import (
    ArgumentFlag,
    ArgumentGradient,
    ArgumentJoined,
    Call,
    GradientsCleared,
    GradientSet,
    ListGrown,
    ListReplaced,
    PlaceSet,
    host_array,
)
from nngraph.frontend.capture.gradients import key_of_gradient
from nngraph.frontend.capture.recorder import put_again, take_back
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.pytree import unflatten
from nngraph.frontend.structure import structure
from nngraph.ir.op import Array
from nngraph.runtime.locks import Partner
from nngraph.runtime.step import Checks, CompiledStep

__all__ = ["Specialization"]


class Specialization:
    """A traced and compiled function for one kind of arguments."""

    def __init__(self, traced: Traced, built: Built[Artifact], checks: Checks) -> None:
        self.traced = traced
        self._is_settled = not traced.puts
        self._written = traced.written
        checked = (ArgumentGradient, ArgumentFlag, ArgumentJoined)
        self._followed = [e for e in traced.effects if isinstance(e, checked)]
        cells = [c.lasting for c in traced.cells]
        self.step = CompiledStep(traced.graph, built, cells, traced.readers, checks, self._written)
        self._covered = [g for g in traced.guards if g.covered]
        self._open = [g for g in traced.guards if not g.covered]
        self._partner = Partner(*_places(traced))
        self._stamp: object = None  # of the structure when what it covers was looked at last
        self._held = False

    def alone(self) -> Partner:
        """A context in which nothing that shares what is written here runs in another thread."""
        return self._partner

    def is_valid(self, arguments: Sequence[Argument] = ()) -> bool:
        """Whether the trace holds for a call now, with these arguments or the latest ones.

        What ``structure`` tells about is looked at again only after a change.
        """
        if arguments:
            self.traced.numbers.give(arguments)
        if not self._put_again():
            return False
        stamp = structure.stamp  # before the look: what changes meanwhile, changes it again
        if stamp is not self._stamp:
            self._held = all(g.check() for g in self._covered) and self.step.refresh()
            self._stamp = stamp
        held = self._held and all(g.check() for g in self._open)
        if held and (not self.traced.program.checks or self.traced.program.broken() is None):
            return True
        self._take_back()
        return False

    def broken(self) -> list[str]:
        """All reasons why the trace does not hold."""
        if not self._put_again():
            return ["the optimizer has other state than the trace made for it"]
        broken = [g.why for g in self.traced.guards if not g.check()]
        broken = broken or self.step.mismatches()
        program = None if broken else self.traced.program.broken()
        self._take_back()
        return broken if program is None else [program]

    def _put_again(self) -> bool:
        """What the trace made for all calls is there from the first that succeeds on.

        False if another function made its own meanwhile.
        """
        return self._is_settled or put_again(self.traced.puts)

    def _take_back(self) -> None:
        if not self._is_settled:
            take_back(self.traced.puts)

    def run(self, passed: Sequence[Any]) -> Any:
        """``_run``; a call that fails takes back what the trace made for all calls."""
        self._put_again()
        try:
            result = self._run(passed)
        except BaseException:
            self._take_back()
            raise
        self._is_settled = True
        return result

    def _run(self, passed: Sequence[Any]) -> Any:
        """Runs on tensor arguments in order; state is changed only if all went well.

        Raises:
            ValueError: if the code writes to an argument that is read-only.
            RuntimeError: if it writes to memory that comes in twice, as arguments or states.
        """
        arrays = [host_array(p) for p in passed]
        for position in self._written:
            self._need_writable(position, arrays[position])
        for followed in self._followed:
            followed.check(passed, self.traced.signature.inputs[followed.argument].name)
        program, leaves = self.traced.program, list(self.traced.leaves)
        program.run()
        left: list[Callable[[], None]] = []
        try:
            left += self._leave()
            outputs = self.step.run(arrays)
        except BaseException:
            program.take_back()
            for again in left:
                again()
            if left:
                structure.changed()
            raise
        call = Call(outputs, passed, leaves, program.values)
        for effect in self.traced.effects:
            effect.apply(call)
        return unflatten(self.traced.result, call.leaves)

    def watched(self, passed: Sequence[Any], calls: int) -> Recording:
        """What calls do; the state, and what the host program computes, stay as they are."""
        self._put_again()
        try:
            program = self.traced.program
            program.run()
            try:
                return self.step.watched([host_array(p) for p in passed], calls)
            finally:
                program.take_back()
        finally:
            self._take_back()

    def _leave(self) -> list[Callable[[], None]]:
        """What shares memory with a tensor that gets other elements keeps what it shows.

        Returns:
            What takes that back.
        """
        rows = self.traced.rebound.items()
        left = [again for storage, owner in rows if (again := storage.leave(owner()))]
        if left:
            structure.changed()
            self.step.refresh()
        return left

    def _need_writable(self, position: int, array: Array) -> None:
        if not array.flags.writeable:
            name = self.traced.signature.inputs[position].name
            raise ValueError(
                f"the function writes to argument {name!r}, whose array is read-only: pass a copy"
            )


def _places(traced: Traced) -> tuple[list[Hashable], list[Hashable]]:
    """Keys of what calls meet, and of what they write: storages, gradients."""
    met: list[Hashable] = []
    written: list[Hashable] = []
    for cell, state in zip(traced.cells, traced.signature.states, strict=True):
        (written if state.is_changed else met).append(cell.lasting.key)
    for effect in traced.effects:
        if isinstance(effect, GradientSet):
            owners: tuple[Any, ...] = (effect.owner,)
        else:
            owners = effect.owners if isinstance(effect, GradientsCleared) else ()
        written += [key_of_gradient(t) for owner in owners if (t := owner()) is not None]
        if isinstance(effect, PlaceSet):
            written.append(effect.place.ident)
        elif isinstance(effect, ListGrown | ListReplaced):
            written.append((id(effect.box.target), ""))
    return met, [*written, *traced.program.written]

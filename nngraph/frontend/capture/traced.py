"""What a trace gives: the graph, and all that a call of it needs to know besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import ref

from nngraph.frontend.capture.called import CalledModule
from nngraph.frontend.capture.effects import ArgumentWritten, Effect
from nngraph.frontend.capture.holding import Holding
from nngraph.frontend.capture.numbers import Numbers
from nngraph.frontend.capture.overlay import StateCell
from nngraph.frontend.capture.program import Program
from nngraph.frontend.capture.pullback import Joined, Pullback
from nngraph.frontend.capture.recorder import Guard, Put
from nngraph.frontend.capture.steady import Once
from nngraph.frontend.pytree import Tree
from nngraph.frontend.record import Handle
from nngraph.frontend.storage import Storage
from nngraph.ir.graph import Graph
from nngraph.ir.signature import Signature, signature_of

__all__ = ["Traced"]


@dataclass(eq=False)
class Traced:
    """A graph with all that a call needs to know besides.

    Attributes:
        graph: inputs are the tensor arguments, in order; each output is named by an effect.
        cells: where the states are, in the graph's order.
        readers: read the host scalars, in the graph's order.
        guards: what must still hold.
        result: structure of what the function returns.
        leaves: the leaves of the result, None where an effect puts a tensor.
        effects: what a call leaves behind besides new states, in the order of its doing.
        program: what a call computes with Python's numbers before the graph runs.
        holding: what must still be in Python's objects.
        puts: what the first call that succeeds puts into objects: new optimizer state.
        carried: what of Python's objects goes from call to call, a line each.
        on_host: those of ``carried`` that only Python can do: no output of the graph is all of it.
        baked: what of Python's objects is fixed in the graph, a line each.
        once: what the next call would not find as this trace did.
        rebound: the storages that a call gives other elements, as ``t.data = other`` does.
        numbers: the arguments that are numbers of Python's which each call reads.
        told: what users have to know of a file of it, a line each.
        call: ``(args, kwargs)``, with an ``InputName`` for each leaf that enters the graph.
        called: the modules that the code called itself, and with what.
        modes: in which the call leaves the modules whose modes matter, by their ids.
    """

    graph: Graph
    cells: list[StateCell]
    readers: list[Callable[[], float]]
    guards: list[Guard]
    result: Tree
    leaves: list[Any]
    effects: list[Effect]
    program: Program
    holding: Holding
    puts: list[Put]
    carried: list[str]
    on_host: list[str]
    baked: list[str]
    once: list[Once]
    rebound: dict[Storage, ref[Handle]]
    modes: dict[int, bool]
    told: list[str]
    called: list[CalledModule]
    numbers: Numbers = field(default_factory=lambda: Numbers((), ()))
    call: Any = ((), {})

    @cached_property
    def signature(self) -> Signature:
        """Names, types and roles of what goes in and out."""
        return signature_of(self.graph)

    def explained(self) -> list[str]:
        """What the trace carries, relies on and has fixed, a line each."""
        lines = [f"  carried: {line}" for line in self.carried]
        states = [s.name for s in self.signature.states if s.is_changed]
        if states:
            lines.append(f"  state: {', '.join(states)}")
        if self.signature.scalars:
            lines.append(
                f"  read at each call: {', '.join(s.name for s in self.signature.scalars)}"
            )
        lines += [f"  guarded: {what}" for what in dict.fromkeys(g.name for g in self.guards)]
        return lines + [f"  baked in: {line}" for line in self.baked]

    def scalars(self) -> dict[str, float]:
        """The numbers that a call now would read, by the names of the graph's scalars."""
        self.program.run()
        try:
            return {n: r() for n, r in zip(self.graph.scalars, self.readers, strict=True)}
        finally:
            self.program.take_back()

    @property
    def pullback(self) -> Pullback | None:
        """The backward pass of what a call leaves; None if no gradient can come from outside."""
        joined = next((e for e in self.effects if isinstance(e, Joined)), None)
        return None if joined is None else joined.pullback

    @property
    def written(self) -> list[int]:
        """The arguments that a call writes to."""
        return [e.argument for e in self.effects if isinstance(e, ArgumentWritten)]

"""Passes are small values; a pipeline is a list of them that one can read aloud."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nngraph.ir.graph import Graph

__all__ = ["Context", "Event", "Pass", "PassObserver", "Pipeline", "Until"]


@dataclass(frozen=True)
class Event:
    """A rule met a place that fits its pattern.

    Attributes:
        rule: its name.
        operator: name of the operator at the place.
        origin: where that comes from.
        refusal: why the rule was not applied; empty if it was.
    """

    rule: str
    operator: str
    origin: str
    refusal: str = ""

    def __str__(self) -> str:
        outcome = f"refused: {self.refusal}" if self.refusal else "applied"
        place = f" @ {self.origin}" if self.origin else ""
        return f"{self.rule} on {self.operator}{place}: {outcome}"


@dataclass
class Context:
    """What passes may ask for.

    Attributes:
        strict: leave out rules that reassociate sums or assume finite values.
        log: one line for each pass: name, changes, seconds.
        trace: collects what rewrite rules did and refused to do, if it is a list.
    """

    strict: bool = True
    log: list[str] = field(default_factory=list)
    trace: list[Event] | None = None


class Pass(Protocol):
    """A named graph-to-graph change; its options are fields."""

    @property
    def name(self) -> str: ...

    def run(self, graph: Graph, context: Context) -> int:
        """Changes ``graph`` and returns the number of changes made."""
        ...


PassObserver = Callable[[Pass, Graph, int], None]


@dataclass(frozen=True)
class Pipeline:
    """Runs passes in order; itself a pass, so pipelines nest.

    Attributes:
        passes: what runs, in order.
        observers: called after each pass (verify, dump, count).
    """

    passes: Sequence[Pass]
    name: str = "pipeline"
    observers: Sequence[PassObserver] = ()

    def run(self, graph: Graph, context: Context) -> int:
        total = 0
        for step in self.passes:
            start = time.perf_counter()
            changes = step.run(graph, context)
            seconds = time.perf_counter() - start
            context.log.append(f"{step.name}: {changes} changes, {seconds * 1e3:.1f} ms")
            for observe in self.observers:
                observe(step, graph, changes)
            total += changes
        return total

    def observed(self, *observers: PassObserver) -> Pipeline:
        """The same passes with more observers."""
        return Pipeline(self.passes, self.name, (*self.observers, *observers))


@dataclass(frozen=True)
class Until:
    """Repeats a pass until it changes nothing.

    Raises:
        RuntimeError: after ``limit`` rounds; a pass that never settles is a bug.
    """

    body: Pass
    limit: int = 50

    @property
    def name(self) -> str:
        return f"until-stable({self.body.name})"

    def run(self, graph: Graph, context: Context) -> int:
        total = 0
        for _ in range(self.limit):
            changes = self.body.run(graph, context)
            total += changes
            if not changes:
                return total
        raise RuntimeError(f"{self.body.name} still changes the graph after {self.limit} rounds")

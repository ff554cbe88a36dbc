"""What a backend is: a pipeline, a list of gaps, an emitter and a loader."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.passes.base import Context, Pipeline

__all__ = [
    "Backend",
    "BackendError",
    "Executable",
    "Gap",
    "Target",
    "UnsupportedGraph",
    "build",
    "usable_cpus",
]


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class BackendError(RuntimeError):
    """A backend is missing, unknown, or failed; the text says how to go on."""


@dataclass(frozen=True)
class Target:
    """What to compile for.

    Attributes:
        backend: ``"reference"``, ``"onnx"`` or ``"tvm"``.
        device: ``"cpu"`` (``"cuda"`` where the backend has it).
        threads: threads of a call; None leaves the choice to the backend (all cores).
        strict: keep every floating point rule exact.
        in_place: state may be updated in the buffers that were passed in. Where False, the arrays
            passed as states stay untouched and new states come back in other arrays.
        cache: folder for compiled kernels; None means the backend's default folder.
    """

    backend: str
    device: str = "cpu"
    threads: int | None = None
    strict: bool = True
    in_place: bool = True
    cache: str | None = None

    @property
    def thread_count(self) -> int:
        """Threads that a call will use: ``threads``, or all cores that the process may use."""
        return self.threads if self.threads is not None else usable_cpus()


@dataclass(frozen=True)
class Gap:
    """One thing that a backend cannot do: what, where, and what to do instead."""

    what: str
    where: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.what} at {self.where or 'an unknown place'}{fix}"


class UnsupportedGraph(BackendError):
    """All gaps of a graph in one error."""

    def __init__(self, backend: str, gaps: Sequence[Gap]) -> None:
        self.gaps = tuple(gaps)
        lines = "\n".join(f"  - {g}" for g in gaps)
        super().__init__(f"the {backend} backend cannot run this graph:\n{lines}")


class Executable(Protocol):
    """A loaded graph."""

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """One call: (outputs, new states), in the graph's order.

        The caller has checked types and shapes. Outputs are not overwritten by later calls. With
        ``Target.in_place`` a new state may be the very array that was passed in; otherwise the
        passed arrays are only read. The arrays of new states may be passed to the next call (also
        of another executable) without copying. If it raises, the passed states are as they were.
        """
        ...


class Backend(Protocol):
    """One way to run graphs."""

    @property
    def name(self) -> str: ...

    def pipeline(self, target: Target) -> Pipeline:
        """Passes that bring a traced graph to what ``emit`` takes."""
        ...

    def unsupported(self, graph: Graph, target: Target) -> list[Gap]:
        """Every gap of a piped graph; empty if ``emit`` will do."""
        ...

    def emit(self, graph: Graph, target: Target) -> Any:
        """The artifact: pure and deterministic, needs no runtime."""
        ...

    def load(self, artifact: Any, target: Target) -> Executable:
        """Makes an artifact runnable; the only member that imports the runtime."""
        ...


@dataclass
class Built:
    """A compiled graph with what was done to get there."""

    graph: Graph
    artifact: Any
    executable: Executable
    log: list[str] = field(default_factory=list)


def emit(backend: Backend, graph: Graph, target: Target) -> tuple[Graph, Any, list[str]]:
    """Runs the pipeline on a copy of ``graph``, asks for gaps and emits; needs no runtime.

    Returns:
        The piped graph, the artifact, and a line for each pass.

    Raises:
        UnsupportedGraph: naming everything the backend lacks.
    """
    lowered = graph.clone()
    context = Context(strict=target.strict, threads=target.thread_count)
    backend.pipeline(target).run(lowered, context)
    gaps = backend.unsupported(lowered, target)
    if gaps:
        raise UnsupportedGraph(backend.name, gaps)
    return lowered, backend.emit(lowered, target), context.log


def build(backend: Backend, graph: Graph, target: Target) -> Built:
    """Emits ``graph`` and loads the artifact.

    Raises:
        UnsupportedGraph: naming everything the backend lacks.
    """
    lowered, artifact, log = emit(backend, graph, target)
    return Built(lowered, artifact, backend.load(artifact, target), log)

"""What a backend is: a pipeline, an emitter, artifacts in files, and a loader."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from nngraph.backends.errors import BackendError, Gap, UnsupportedGraph
from nngraph.backends.registry import BACKENDS, need_device
from nngraph.backends.watch import Watched
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature
from nngraph.passes.base import Context, Pipeline

__all__ = [
    "Artifact",
    "Backend",
    "BackendError",
    "Emitted",
    "Executable",
    "Gap",
    "Target",
    "UnsupportedGraph",
    "choose_threads",
    "emit",
    "lower",
    "usable_cpus",
]


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_chosen_threads: int | None = None


def choose_threads(threads: int | None) -> None:
    """The threads of targets that name none, for what is loaded from here on."""
    global _chosen_threads
    _chosen_threads = threads


@dataclass(frozen=True)
class Target:
    """What to compile for.

    Attributes:
        backend: ``"reference"``, ``"onnx"`` or ``"tvm"``.
        device: ``"cpu"`` (``"cuda"`` where the backend has it).
        threads: threads of a call; None leaves the choice to ``choose_threads``, and without one
            to the backend (all cores).
        strict: keep every floating point rule exact.
        in_place: state may be updated in the buffers that were passed in. Where False, the arrays
            passed as states stay untouched and new states come back in other arrays.
        cache: folder for compiled kernels; None means the backend's default folder.

    Raises:
        ValueError: if ``threads`` is less than 1.
    """

    backend: str
    device: str = "cpu"
    threads: int | None = None
    strict: bool = True
    in_place: bool = True
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(
                f"threads is {self.threads}; wanted at least 1, or None for all usable CPUs"
            )

    @property
    def thread_count(self) -> int:
        """Threads that a call will use: those asked for, or all cores that the process may use."""
        return self.wanted_threads or usable_cpus()

    @property
    def wanted_threads(self) -> int | None:
        """``threads``, or those chosen for all targets; None if nothing was said."""
        return self.threads if self.threads is not None else _chosen_threads


class Artifact(Protocol):
    """What a backend made of a graph: plain data that can be loaded here or in another process."""

    @property
    def signature(self) -> Signature:
        """What a call takes and gives."""
        ...

    def write(self, folder: Path) -> None:
        """Writes it into a folder, which appears whole or not at all."""
        ...


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


A = TypeVar("A", bound=Artifact)
A_co = TypeVar("A_co", bound=Artifact, covariant=True)


class Backend(Protocol[A]):
    """One way to run graphs. Only ``load`` and ``watch`` import the runtime."""

    @property
    def name(self) -> str: ...

    def pipeline(self, target: Target) -> Pipeline:
        """Passes that bring a traced graph, bodies of loops included, to what ``emit`` takes."""
        ...

    def emit(self, graph: Graph, target: Target) -> A | list[Gap]:
        """The artifact of a piped graph, or all that the backend lacks for it.

        Pure and deterministic; it needs no runtime and goes through the graph once.
        """
        ...

    def read(self, folder: Path) -> A:
        """The artifact that ``Artifact.write`` put into a folder.

        Raises:
            FileNotFoundError: if there is no such folder.
            ArtifactError: if it holds something else, or a damaged artifact.
        """
        ...

    def load(self, artifact: A, target: Target) -> Executable:
        """Makes an artifact runnable.

        Raises:
            BackendError: if the runtime refuses it.
        """
        ...

    def watch(self, artifact: A, target: Target) -> Watched:
        """Makes an artifact runnable in the same way, and notes what each call does.

        Raises:
            BackendError: if the runtime refuses it.
        """
        ...


@dataclass(frozen=True)
class Emitted(Generic[A_co]):
    """What ``emit`` made, and how.

    Attributes:
        graph: the graph after the pipeline.
        artifact: what the backend made of it.
        log: a line for each pass.
    """

    graph: Graph
    artifact: A_co
    log: tuple[str, ...]


def lower(backend: Backend[Any], graph: Graph, target: Target) -> tuple[Graph, tuple[str, ...]]:
    """A copy of ``graph`` after the backend's pipeline, and a line for each pass.

    Raises:
        BackendError: if the backend does not run on the device.
    """
    need_device(backend.name, target.device)
    lowered = graph.clone()
    context = Context(strict=target.strict)
    backend.pipeline(target).run(lowered, context)
    return lowered, tuple(context.log)


def emit(backend: Backend[A], graph: Graph, target: Target) -> Emitted[A]:
    """Runs the pipeline on a copy of ``graph`` and emits; needs no runtime.

    Raises:
        BackendError: if the backend does not run on the device.
        UnsupportedGraph: naming everything the backend lacks.
    """
    lowered, log = lower(backend, graph, target)
    with BACKENDS[backend.name].importing():
        made = backend.emit(lowered, target)
    if isinstance(made, list):
        raise UnsupportedGraph(backend.name, made)
    return Emitted(lowered, made, log)

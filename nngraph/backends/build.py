"""From a graph to something that can be called: emitted, or found emitted, and loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nngraph.backends.base import Artifact, Backend, Executable, Target, emit
from nngraph.backends.cache import ArtifactCache, artifact_key, cache_folder
from nngraph.backends.errors import BackendError
from nngraph.backends.registry import BACKENDS, need_device
from nngraph.ir.graph import Graph

__all__ = ["CACHED_FROM", "Built", "build"]

CACHED_FROM = 256
"""Nodes of a graph: a smaller one is emitted sooner than found."""

A = TypeVar("A", bound=Artifact)
A_co = TypeVar("A_co", bound=Artifact, covariant=True)


@dataclass(frozen=True)
class Built(Generic[A_co]):
    """A compiled graph that can be called.

    Attributes:
        backend, target: what it was compiled by and for.
        artifact: what the backend made of it, now or in an earlier process.
        log: a line for each pass.
    """

    backend: Backend[Any]
    target: Target
    artifact: A_co
    log: tuple[str, ...]
    executable: Executable


def build(backend: Backend[A], graph: Graph, target: Target) -> Built[A]:
    """Emits ``graph``, or finds it emitted before, and loads the artifact.

    Raises:
        BackendError: if the backend does not run on the device.
        UnsupportedGraph: naming everything the backend lacks.
    """
    need_device(backend.name, target.device)
    folder = cache_folder(target)
    if folder is None or len(graph) < CACHED_FROM or not BACKENDS[backend.name].is_cached:
        return _made(backend, graph, target)
    cache, key = ArtifactCache(backend, folder), artifact_key(graph, target)
    known = cache.find(key, graph)
    if known is not None:
        try:
            log = (f"found in {cache.folder}: no pass was run",)
            return Built(backend, target, known, log, _loaded(backend, known, target))
        except BackendError:
            pass  # what cannot be loaded is made anew
    made = _made(backend, graph, target)
    cache.store(key, made.artifact)
    return made


def _made(backend: Backend[A], graph: Graph, target: Target) -> Built[A]:
    made = emit(backend, graph, target)
    executable = _loaded(backend, made.artifact, target)
    return Built(backend, target, made.artifact, made.log, executable)


def _loaded(backend: Backend[A], artifact: A, target: Target) -> Executable:
    with BACKENDS[backend.name].importing():
        return backend.load(artifact, target)

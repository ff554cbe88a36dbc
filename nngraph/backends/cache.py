"""Artifacts emitted before, on disk: the same graph for the same target is not compiled again.

An entry is the folder that ``Artifact.write`` makes, named by a hash of all that the artifact
depends on. Nothing in the folder is trusted: what is damaged, or of something else, is no entry.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import Generic, TypeVar

from nngraph.backends.base import Artifact, Backend, Target
from nngraph.backends.errors import BackendError
from nngraph.backends.files import sources_digest
from nngraph.backends.registry import BACKENDS
from nngraph.ir.graph import Graph
from nngraph.ir.signature import signature_of
from nngraph.ir.text import print_graph
from nngraph.version import __version__

__all__ = ["ArtifactCache", "artifact_key", "cache_folder", "default_cache_folder"]

_LOG = logging.getLogger(__name__)
A = TypeVar("A", bound=Artifact)


def default_cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/nngraph``, else ``~/.cache/nngraph``; None without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "nngraph"
    except RuntimeError:
        return None


def cache_folder(target: Target) -> Path | None:
    """Where things compiled for a target are kept."""
    return Path(target.cache) if target.cache else default_cache_folder()


def artifact_key(graph: Graph, target: Target) -> str:
    """A hash of all that an artifact depends on: the traced graph, the target and the code."""
    options = (target.backend, target.device, target.thread_count, target.strict, target.in_place)
    parts = (repr(options), _code_key(target.backend), print_graph(graph))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _code_key(backend: str) -> str:
    """Of this package's sources, so that a changed pass makes new entries, and of the backend's
    packages.
    """
    sources = sources_digest(Path(__file__).resolve().parent.parent)
    return " ".join((__version__, sources, *BACKENDS[backend].versions))


class ArtifactCache(Generic[A]):
    """The artifacts of one backend in one folder. No method raises for what the disk does."""

    def __init__(self, backend: Backend[A], folder: Path) -> None:
        self.backend = backend
        self.folder = folder / "artifacts"

    def find(self, key: str, graph: Graph) -> A | None:
        """The artifact of ``graph`` that ``key`` names; None if there is none, or a damaged one."""
        entry = self.folder / key
        try:
            found = self.backend.read(entry)
        except (BackendError, OSError, ValueError, RecursionError) as error:
            if entry.exists():
                _LOG.warning("ignoring the cached artifact %s: %s", entry, error)
                _discard(entry)
            return None
        return found if found.signature.serves(signature_of(graph)) else None

    def store(self, key: str, artifact: A) -> None:
        """Keeps an artifact, if the folder can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            artifact.write(self.folder / key)
        except OSError as error:
            _LOG.warning("the compiled graph is not cached: %s", error)


def _discard(entry: Path) -> None:
    """Makes room for a whole entry, if that is possible."""
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        entry.unlink()

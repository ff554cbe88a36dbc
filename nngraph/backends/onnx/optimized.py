"""Models as the runtime has rewritten them, on disk: rewriting takes most of a session's start."""

from __future__ import annotations

import hashlib
import logging
import platform
from pathlib import Path

from nngraph.backends.artifact import read_artifact, write_artifact
from nngraph.backends.errors import BackendError
from nngraph.ir.signature import Signature

__all__ = ["OptimizedModels"]

_LOG = logging.getLogger(__name__)
_FILE = "optimized.onnx"
_NAME = "onnxruntime"


class OptimizedModels:
    """What one version of the runtime made of models. No method raises for what the disk does.

    Args:
        folder: where they are kept.
        runtime: its version.
    """

    def __init__(self, folder: Path, runtime: str) -> None:
        self.folder = folder / "onnxruntime"
        self.runtime = runtime

    def find(self, model: bytes) -> bytes | None:
        """What the runtime made of a model; None if that is not known, or damaged."""
        try:
            return read_artifact(self._entry(model), _NAME)[1].get(_FILE)
        except FileNotFoundError:
            return None
        except (BackendError, OSError, ValueError, RecursionError) as error:
            _LOG.warning("ignoring an optimized model: %s", error)
            return None

    def store(self, model: bytes, optimized: bytes) -> None:
        """Keeps what the runtime made of a model, if the folder can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_artifact(self._entry(model), _NAME, Signature(), {_FILE: [optimized]})
        except OSError as error:
            _LOG.warning("the optimized model is not cached: %s", error)

    def _entry(self, model: bytes) -> Path:
        digest = hashlib.sha256(f"{self.runtime} {platform.machine()}\0".encode())
        digest.update(model)
        return self.folder / digest.hexdigest()

"""What the ONNX backend makes of a graph: a model and the names that a caller feeds and reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nngraph.backends.artifact import read_artifact, write_artifact
from nngraph.backends.errors import ArtifactError
from nngraph.ir.signature import Signature

__all__ = ["DATA_FILE", "MODEL_FILE", "OnnxArtifact"]

MODEL_FILE = "model.onnx"
DATA_FILE = "model.onnx.data"


@dataclass(frozen=True)
class OnnxArtifact:
    """An ONNX model, serialized.

    Attributes:
        model: the bytes of ``model.onnx``.
        signature: names of the model's inputs and outputs, and which output is which input's next.
        data: the content of ``model.onnx.data`` in pieces, where constants exceed protobuf's limit.
    """

    model: bytes
    signature: Signature
    data: tuple[bytes, ...] = ()

    @property
    def files(self) -> dict[str, tuple[bytes, ...]]:
        """The content of each file; both lie in one folder."""
        return {MODEL_FILE: (self.model,)} | ({DATA_FILE: self.data} if self.data else {})

    def write(self, folder: Path) -> None:
        write_artifact(folder, "onnx", self.signature, self.files)

    @staticmethod
    def read(folder: Path) -> OnnxArtifact:
        signature, files = read_artifact(folder, "onnx")
        if MODEL_FILE not in files:
            raise ArtifactError(f"{folder} is damaged: it names no {MODEL_FILE}")
        data = (files[DATA_FILE],) if DATA_FILE in files else ()
        return OnnxArtifact(files[MODEL_FILE], signature, data)

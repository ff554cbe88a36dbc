"""What one process is asked to build: sent to it as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.frameworks import Array
from benchmarks.workloads import WORKLOADS, Batch, Workload

BATCHES = 4  # different batches, taken in turn
CHECKED_STEPS = 5


@dataclass(frozen=True)
class Case:
    """A workload, trained or evaluated, with the folder that holds its initial weights."""

    name: str
    training: bool
    threads: int
    folder: str
    small: bool = False

    @property
    def workload(self) -> Workload:
        """The workload of this name."""
        return WORKLOADS[self.name]

    @property
    def mode(self) -> str:
        """``training`` or ``inference``."""
        return "training" if self.training else "inference"

    def path(self, file: str) -> Path:
        """A file beside the weights."""
        return Path(self.folder) / file

    def weights(self) -> dict[str, Array]:
        """The initial ``state_dict`` that all contenders share."""
        with np.load(self.path("weights.npz")) as file:
            return {name: file[name] for name in file.files}

    def batches(self) -> list[Batch]:
        """The batches that all contenders share."""
        return self.workload.batches(BATCHES, self.small)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Case:
        """The inverse of ``to_json``."""
        return Case(**json.loads(text))

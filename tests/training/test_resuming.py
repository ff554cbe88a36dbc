"""A run that was killed and resumed has the parameters of one that was not, bit by bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn
from tests.support.backends import BACKENDS

STEPS = 9
rng = np.random.default_rng(0)
X = rng.standard_normal((STEPS, 6, 3)).astype(np.float32)
Y = X.sum(2, keepdims=True)


class Run:
    """All that a run is: model, optimizer, schedule, scaler, average; random numbers, too."""

    def __init__(self, backend: str) -> None:
        ng.manual_seed(3)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.optimizer = ng.optim.AdamW(self.model.parameters(), lr=0.01, amsgrad=True)
        schedulers = ng.optim.lr_scheduler
        self.schedule = schedulers.SequentialLR(
            self.optimizer,
            [
                schedulers.LinearLR(self.optimizer, 0.2, 1.0, 3),
                schedulers.MultiStepLR(self.optimizer, [2, 4], 0.5),
            ],
            [3],
        )
        self.scaler = ng.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
        self.average = ng.optim.swa_utils.AveragedModel(self.model)
        self.done = 0
        self.step = ng.compile(self._step, backend=backend)

    def _step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(x), y)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.model)
        return loss

    def advance(self) -> None:
        self.step(ng.tensor(X[self.done]), ng.tensor(Y[self.done]))
        self.schedule.step()
        self.done += 1

    def save(self, path: Path) -> None:
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        ng.save(parts | {"random": ng.get_rng_state(), "done": self.done}, path)

    def load(self, path: Path) -> None:
        saved = ng.load(path)
        for name in PARTS:
            getattr(self, name).load_state_dict(saved[name])
        ng.set_rng_state(saved["random"])
        self.done = saved["done"]

    def arrays(self) -> list[np.ndarray]:
        tensors = [*self.model.state_dict().values(), *self.average.state_dict().values()]
        state = self.optimizer.state_dict()["state"]
        tensors += [v for held in state.values() for v in held.values()]
        return [t.detach().numpy().copy() for t in tensors]


PARTS = ("model", "optimizer", "schedule", "scaler", "average")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_resumed_run_is_the_run(backend: str, tmp_path: Path) -> None:
    whole = Run(backend)
    for step in range(STEPS):
        whole.save(tmp_path / f"{step}.safetensors")
        whole.advance()
    wanted = whole.arrays()
    for step in range(0, STEPS, 2):
        resumed = Run(backend)
        if step % 4:  # in the middle of another run, whose traces stay
            resumed.advance()
        resumed.load(tmp_path / f"{step}.safetensors")
        while resumed.done < STEPS:
            resumed.advance()
        for found, value in zip(resumed.arrays(), wanted, strict=True):
            np.testing.assert_array_equal(found, value)
        assert resumed.schedule.state_dict() == whole.schedule.state_dict()


def test_a_kill_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    program = (
        "from tests.training.test_resuming import Run; from pathlib import Path; import sys\n"
        "run = Run('reference')\n"
        "while True:\n"
        "    run.save(Path(sys.argv[1]))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.01)
        for _ in range(20):
            assert set(ng.load(path)) == {*PARTS, "random", "done"}
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    resumed = Run("reference")
    resumed.load(path)
    assert resumed.done == 0

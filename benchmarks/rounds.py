"""Time contenders in turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from benchmarks.agreement import disagreement
from benchmarks.case import CHECKED_STEPS, Case
from benchmarks.contenders import TITLES
from benchmarks.pool import ROOT, ContenderFailed, RemoteWorker, environment

# Thread pools of the one before may spin this long after their last step.
SETTLE_SECONDS = 0.1
Say = Callable[[str], None]


@dataclass
class Measurement:
    """One contender on one case; ``error`` says why there are no times."""

    contender: str
    first_seconds: float | None = None
    rounds_ms: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    error: str | None = None

    @property
    def median_ms(self) -> float | None:
        """Median over rounds of each round's median step, or None without times."""
        return statistics.median(self.rounds_ms) if self.rounds_ms else None


@dataclass(frozen=True)
class Result:
    """All contenders on one case."""

    case: Case
    floor_ms: float
    measurements: list[Measurement]


def write_reference(case: Case) -> float:
    """Have another process write the case's weights and expected results; returns the floor."""
    command = [sys.executable, "-m", "benchmarks.reference", case.to_json()]
    subprocess.run(command, check=True, cwd=ROOT, env=environment(case, "reference"))
    return float(json.loads(case.path("facts.json").read_text())["floor_ms"])


def check(worker: RemoteWorker, case: Case, measurement: Measurement) -> None:
    """Build, run the first steps, and compare their results with PyTorch's.

    Raises:
        ContenderFailed: it failed, or its results differ.
    """
    worker.ask("build")
    saved = [case.path(f"{worker.contender}-{part}.npy") for part in ("first", "more")]
    first = worker.ask("run", steps=1, save=str(saved[0]))
    worker.ask("run", steps=CHECKED_STEPS - 1, save=str(saved[1]))
    measurement.first_seconds = first["seconds"][0]
    got = np.concatenate([np.load(path) for path in saved])
    why = disagreement(case, got, np.load(case.path("expected.npy")))
    if why is not None:
        raise ContenderFailed(f"WRONG RESULTS, not timed: {why}")


def take_turn(worker: RemoteWorker, case: Case, measurement: Measurement) -> None:
    """One round of one contender: a step to warm up, then the timed ones."""
    time.sleep(SETTLE_SECONDS)
    seconds = worker.ask("run", steps=case.workload.steps + 1)["seconds"][1:]
    measurement.rounds_ms.append(1e3 * statistics.median(seconds))


def measure(case: Case, contenders: Sequence[str], rounds: int, timeout: float, say: Say) -> Result:
    """Time ``contenders`` on ``case``, interleaved; failures are part of the result."""
    floor = write_reference(case)
    measurements = {name: Measurement(name) for name in contenders}
    with ExitStack() as stack:
        workers: dict[str, RemoteWorker] = {}

        def attempt(name: str, action: Callable[[RemoteWorker, Case, Measurement], None]) -> None:
            try:
                action(workers[name], case, measurements[name])
            except ContenderFailed as failure:
                measurements[name].error = str(failure)
                measurements[name].rounds_ms.clear()
                workers.pop(name).close()
                say(f"!!! {case.name} {case.mode}, {TITLES[name]}: {failure}")

        for name in contenders:
            workers[name] = stack.enter_context(RemoteWorker(name, case, timeout))
            attempt(name, check)
        for index in range(rounds):
            order = list(workers)
            for name in order if index % 2 == 0 else reversed(order):
                attempt(name, take_turn)
        for name in list(workers):
            attempt(name, read_memory)
    return Result(case, floor, list(measurements.values()))


def read_memory(worker: RemoteWorker, case: Case, measurement: Measurement) -> None:
    """Peak memory, after everything has run."""
    measurement.peak_mb = worker.ask("memory")["mb"]

"""The process of one contender: it builds its step, then runs steps when told, else it sleeps.

Commands and replies are lines of JSON on standard input and output. Waiting for a command blocks
in ``read``, so an idle contender uses no core (a library's own thread pool may spin for some
milliseconds after its last step; the caller leaves a pause for that).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.case import Case
from benchmarks.contenders import CONTENDERS, OURS, Step
from benchmarks.frameworks import to_numpy

Reply = dict[str, Any]


def peak_memory_mb() -> float:
    """The largest resident size of this process so far.

    ``VmHWM`` counts from ``exec``; ``ru_maxrss``, used where there is no ``/proc``, would count
    the parent's pages too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Worker:
    """One contender's step and the number of steps it has run."""

    def __init__(self, contender: str, case: Case) -> None:
        self.contender = contender
        self.case = case
        self.count = 0
        self.step: Step | None = None

    def build(self) -> Reply:
        """Imports, model, weights and batches; compilation waits for the first step."""
        start = time.perf_counter()
        self.step = CONTENDERS[self.contender](self.case)
        return {"seconds": time.perf_counter() - start}

    def run(self, steps: int, save: str | None = None) -> Reply:
        """Run ``steps`` steps; ``save`` is a ``.npy`` file for their results, stacked.

        Reading results is not timed.
        """
        assert self.step is not None, "the first command is build"
        seconds: list[float] = []
        results = []
        for _ in range(steps):
            start = time.perf_counter()
            result = self.step(self.count)
            seconds.append(time.perf_counter() - start)
            self.count += 1
            if save is not None:
                results.append(to_numpy(result))
        if save is not None:
            np.save(save, np.stack(results))
        return {"seconds": seconds}

    def memory(self) -> Reply:
        """Peak resident memory so far."""
        return {"mb": peak_memory_mb()}

    def answer(self, command: str, arguments: dict[str, Any]) -> Reply:
        """The reply to one command; what goes wrong is the reply then, with its traceback."""
        try:
            reply: Reply = getattr(self, command)(**arguments)
        except Exception as error:  # noqa: BLE001 - reported by the parent beside the others' times
            return {
                "error": f"{type(error).__name__}: {error}",
                "traceback": traceback.format_exc(),
            }
        return reply


def serve(worker: Worker, commands: TextIO, replies: TextIO) -> None:
    """Answer commands until ``quit`` or the end of the input."""
    for line in commands:
        message = json.loads(line)
        command = message.pop("command")
        if command == "quit":
            return
        print(json.dumps(worker.answer(command, message)), file=replies, flush=True)


def main() -> None:
    """``python -m benchmarks.worker CONTENDER CASE``, started by ``benchmarks.pool``."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Libraries print to standard output; it must not mix with the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if sys.argv[1] in OURS:
        # Nngraph must run without PyTorch; TVM would import it where it is installed, for 200 MB.
        sys.modules["torch"] = None  # type: ignore[assignment]
    serve(Worker(sys.argv[1], Case.from_json(sys.argv[2])), sys.stdin, replies)


if __name__ == "__main__":
    main()

"""``python -m benchmarks.versus CHECKOUT``: this code beside another checkout's, interleaved.

Both run the same cases in processes of their own, by turns; each turn gives one ratio of two
medians that were measured within a second of each other, and the median of these ratios is
reported with their range. A machine whose speed drifts moves both sides alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case import Case
from benchmarks.contenders import OURS
from benchmarks.pool import ROOT, RemoteWorker
from benchmarks.rounds import Measurement, check, take_turn, write_reference
from benchmarks.workloads import WORKLOADS


@dataclass(frozen=True)
class Comparison:
    """One backend on one case: times and peak memory of the other checkout and of this one."""

    case: Case
    backend: str
    old: Measurement
    new: Measurement

    @property
    def ratios(self) -> list[float]:
        """This checkout's time over the other's, one for each turn, smallest first."""
        pairs = zip(self.new.rounds_ms, self.old.rounds_ms, strict=True)
        return sorted(new / old for new, old in pairs)

    def __str__(self) -> str:
        low, middle, high = self.ratios[0], statistics.median(self.ratios), self.ratios[-1]
        times = f"{self.old.median_ms:9.2f} -> {self.new.median_ms:9.2f} ms"
        memory = f"{self.old.peak_mb:6.0f} -> {self.new.peak_mb:6.0f} MB"
        name = f"{self.case.name} {self.case.mode}, {self.backend}"
        return f"{name:34}{times}   x{middle:.3f} ({low:.3f} to {high:.3f})   {memory}"


def compare(case: Case, backend: str, other: Path, rounds: int, timeout: float) -> Comparison:
    """Run both checkouts on one case; the results of both are compared with PyTorch's first.

    Raises:
        ContenderFailed: one of them failed, or its results are wrong.
    """
    sides = [(Measurement(backend), other, "-old"), (Measurement(backend), ROOT, "-new")]
    with ExitStack() as stack:
        workers = []
        for measurement, checkout, label in sides:
            worker = RemoteWorker(backend, case, timeout, checkout, label)
            workers.append(stack.enter_context(worker))
            check(worker, case, measurement)
        for turn in range(rounds):
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            for side in order:
                take_turn(workers[side], case, sides[side][0])
        for worker, (measurement, _, _) in zip(workers, sides, strict=True):
            measurement.peak_mb = worker.ask("memory")["mb"]
    return Comparison(case, backend, sides[0][0], sides[1][0])


def main(arguments: Sequence[str]) -> int:
    """Print a line for each case and backend; the exit code is 1 if a ratio is over the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description=__doc__)
    parser.add_argument("checkout", type=Path, help="the other checkout of this repository")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--backends", nargs="+", choices=list(OURS), default=["onnx", "tvm"])
    parser.add_argument("--modes", nargs="+", default=["training", "inference"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7, help="turns of each side")
    parser.add_argument("--limit", type=float, default=1.03, help="the largest ratio allowed")
    parser.add_argument("--small", action="store_true", help="tiny sizes: says nothing of speed")
    parser.add_argument("--timeout", type=float, default=600)
    options = parser.parse_args(arguments)
    slower = 0
    for name in options.workloads:
        for mode in options.modes:
            with tempfile.TemporaryDirectory(prefix="nngraph-versus-") as folder:
                case = Case(name, mode == "training", options.threads, folder, options.small)
                write_reference(case)
                for backend in options.backends:
                    found = compare(
                        case, backend, options.checkout.resolve(), options.repeat, options.timeout
                    )
                    slower += statistics.median(found.ratios) > options.limit
                    print(found, flush=True)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

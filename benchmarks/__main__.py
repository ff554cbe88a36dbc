"""``python -m benchmarks``: nngraph beside its peers, interleaved, each in its own process."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import overhead, report
from benchmarks.case import Case
from benchmarks.contenders import CONTENDERS, DEFAULT, OURS, missing_package
from benchmarks.rounds import Result, measure
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"


def names_of(choices: Sequence[str], what: str) -> Callable[[str], list[str]]:
    """An argparse type: comma-separated names out of ``choices``."""

    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in choices]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, but {what} are {', '.join(choices)} (separated by commas)"
            )
        return names

    return parse


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    workloads, peers = list(WORKLOADS), list(CONTENDERS)
    add(
        "--workloads",
        type=names_of(workloads, "workloads"),
        default=workloads,
        help=f"of {', '.join(workloads)} (default: all)",
    )
    add(
        "--peers",
        type=names_of(peers, "contenders"),
        default=list(DEFAULT),
        help=f"of {', '.join(peers)} (default: {', '.join(DEFAULT)})",
    )
    modes = parser.add_mutually_exclusive_group()
    for mode in ("train", "inference", "both"):
        modes.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode)
    parser.set_defaults(mode="both")
    add("--threads", type=int, default=2, help="threads of each contender (default: 2)")
    add("--repeat", type=int, default=7, help="turns of each contender (default: 7)")
    add("--timeout", type=float, default=600, help="seconds that one command may take")
    add("--small", action="store_true", help="tiny sizes: checks agreement, says nothing of speed")
    add("--no-overhead", action="store_true", help="leave out the cost of a call")
    add("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args(arguments)


def available(names: Sequence[str]) -> list[str]:
    """The contenders whose packages are installed; says who stays out."""
    present = []
    for name in names:
        package = missing_package(name)
        if package is None:
            present.append(name)
        else:
            print(f"{name} stays out: {package} is not installed")
    return present


def run_cases(options: argparse.Namespace, contenders: Sequence[str]) -> list[Result]:
    """Measure every case, printing each table when it is complete."""
    results = []
    modes = {"train": [True], "inference": [False], "both": [True, False]}[options.mode]
    for name in options.workloads:
        for training in modes:
            with tempfile.TemporaryDirectory(prefix="nngraph-benchmark-") as folder:
                case = Case(name, training, options.threads, folder, options.small)
                result = measure(case, contenders, options.repeat, options.timeout, print)
            results.append(result)
            print(f"\n{report.format_result(result)}\n", flush=True)
    return results


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; the exit code is 1 if a contender failed."""
    options = parse_arguments(arguments)
    about = report.machine(options.threads)
    print(about)
    contenders = available(options.peers)
    results = run_cases(options, contenders)
    if any(name in OURS for name in contenders):
        print(report.summary(results))
    notes = [] if options.no_overhead else overhead.report(contenders, options.threads)
    for note in notes:
        print(f"\n{note}")
    if options.write:
        command = shlex.join(["python", "-m", "benchmarks", *arguments])
        RESULTS.write_text(report.document(command, about, results, notes))
        print(f"\nwrote {RESULTS}")
    failed = [m for result in results for m in result.measurements if m.error]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Prints how long `import nngraph` takes in a fresh interpreter, and how much of it NumPy takes."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MEASURE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str) -> float:
    """One import in an interpreter of its own, in seconds, without the interpreter's start."""
    command = [sys.executable, "-c", MEASURE.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10, help="interpreters for each module")
    repeat = parser.parse_args().repeat

    modules = ("numpy", "nngraph")
    for module in modules:  # the first imports compile the sources and read them from disk
        seconds(module)
    times: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(repeat):
        for module, measured in times.items():
            measured.append(seconds(module))
    for module, measured in times.items():
        median, fastest = statistics.median(measured), min(measured)
        print(f"import {module:<8} median {median * 1e3:6.1f} ms, fastest {fastest * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()

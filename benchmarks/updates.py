"""Adam's update of 10 million parameters, in few tensors and in many, beside PyTorch's kernels.

An update reads parameter, gradient and both means and writes three of them: 28 bytes a parameter.
Times stand beside the share of the machine's memory bandwidth that this is, which copies of large
arrays on as many threads tell. ``python -m benchmarks.updates`` prints a table; each contender runs
in a process of its own, in turns, and has to leave PyTorch's parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PARAMETERS = 10_000_000
COUNTS = (10, 160)
CONTENDERS = ("torch fused", "torch foreach", "onnx", "tvm")
STEPS, TURNS = 12, 3
BYTES = 28


def sizes(total: int, count: int) -> list[tuple[int, int]]:
    """Shapes of ``count`` matrices that are ``total`` together, of two sizes as in a model."""
    width = total // count
    pairs = [(width + width // 2, width - width // 2) for _ in range(count // 2)]
    return [(n // 50, 50) for pair in pairs for n in pair]


def arrays(total: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Parameters and gradients."""
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(s, np.float32) for s in sizes(total, count)]
    return made, [rng.standard_normal(s, np.float32) for s in sizes(total, count)]


def prepared(
    contender: str, total: int, count: int, threads: int
) -> tuple[Callable[[], Any], list[Any]]:
    """One update as a call, and the parameters."""
    start, given = arrays(total, count)
    if contender.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
        params = [torch.nn.Parameter(torch.tensor(a)) for a in start]
        kind = contender.removeprefix("torch ")
        optimizer = torch.optim.Adam(params, lr=1e-3, **{kind: True})
        for p, g in zip(params, given, strict=True):
            p.grad = torch.tensor(g)
        return optimizer.step, params
    import nngraph as ng

    own = [ng.nn.Parameter(ng.tensor(a)) for a in start]
    adam = ng.optim.Adam(own, lr=1e-3)

    def update(grads: list[Any]) -> None:
        for p, g in zip(own, grads, strict=True):
            p.grad = g
        adam.step()

    compiled = ng.compile(update, backend=contender, threads=threads)
    grads = [ng.tensor(g) for g in given]
    return lambda: compiled(grads), own


def bandwidth(threads: int) -> float:
    """Bytes a second that copies of large arrays read and write."""
    pairs = [
        [np.ones(2 * PARAMETERS // threads, np.float32) for _ in range(2)] for _ in range(threads)
    ]
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(8):
            begin = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(*pair), pairs))
            best = min(best, time.perf_counter() - begin)
    return 2 * sum(pair[0].nbytes for pair in pairs) / best


def work(contender: str, total: int, count: int, threads: int) -> dict[str, Any]:
    """Times one contender."""
    call, params = prepared(contender, total, count, threads)
    call()
    probe = [float(np.asarray(p.detach().numpy()).sum()) for p in params[:3]]
    times = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return {"ms": 1000 * statistics.median(times), "probe": probe}


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--worker", nargs=2)
    options = parser.parse_args()
    if options.worker:
        name, count = options.worker[0], int(options.worker[1])
        print(json.dumps(work(name, PARAMETERS, count, options.threads)))
        return
    speed = bandwidth(options.threads)
    print(f"{PARAMETERS:,} parameters, {options.threads} threads, {speed / 1e9:.1f} GB/s of copies")
    for count in COUNTS:
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
        for _ in range(TURNS):
            for name in CONTENDERS:
                found[name].append(asked(name, count, options.threads))
        wanted = found[CONTENDERS[0]][0]["probe"]
        for name, rows in found.items():
            np.testing.assert_allclose(rows[0]["probe"], wanted, rtol=1e-4, err_msg=name)
            ms = statistics.median(row["ms"] for row in rows)
            share = BYTES * PARAMETERS / (ms / 1000) / speed
            print(f"{count:4} tensors  {name:14} {ms:7.1f} ms  {share:5.0%} of the bandwidth")


def asked(name: str, count: int, threads: int) -> dict[str, Any]:
    """What a process of its own measured."""
    command = [sys.executable, "-m", "benchmarks.updates", "--worker", name, str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TVM_NUM_THREADS": str(threads)}
    run = subprocess.run(
        [*command, "--threads", str(threads)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    facts: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return facts


if __name__ == "__main__":
    main()

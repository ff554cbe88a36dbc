"""What compiling costs, by the size of the network: trace, passes, emit, load; cold and warm.

A multilayer perceptron is trained with Adam, so that a layer is some 36 nodes of the traced graph.
Each start is a process of its own; a warm one finds what the cold one before it left on disk.
``python -m benchmarks.compile_time`` prints a table and how each stage grows: an exponent of 1 is
linear, 2 is quadratic. Times are of the processor, which other processes hardly change.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (50, 100, 200, 400, 1000)
COLD = ("trace", "passes", "emit", "load")
WARM = ("trace", "find", "load")
T = TypeVar("T")


@dataclass(frozen=True)
class Start:
    """One start.

    Attributes:
        layers: of the network.
        nodes: of the traced graph.
        seconds: processor time by stage.
    """

    layers: int
    nodes: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())

    @property
    def after_trace(self) -> float:
        """Seconds of all stages but the trace, which every start needs."""
        return self.total - self.seconds["trace"]


def make_step(layers: int, width: int = 16) -> Callable[[Any, Any], Any]:
    """The training step of a perceptron of ``layers`` layers."""
    from nngraph import nn, optim
    from nngraph.nn import functional as F

    parts: list[Any] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(width, width), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Linear(width, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def trace(layers: int) -> Any:
    """The graph of one step."""
    import nngraph as ng

    x = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
    return ng.trace(make_step(layers), x, np.arange(8) % 10)


class Clock:
    """Notes the processor time of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], T]) -> T:
        """Does the work as a part of ``stage``."""
        start = time.process_time()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - start
        return result


def start(backend_name: str, layers: int, folder: str) -> Start:
    """One start of the network in this process.

    ``folder``: the cache; what is found there makes the start a warm one.
    """
    from nngraph.backends import get_backend
    from nngraph.backends.base import Target, lower
    from nngraph.backends.cache import ArtifactCache, artifact_key

    target = Target(backend_name, threads=1, cache=folder)
    backend, clock = get_backend(backend_name), Clock()
    cache = ArtifactCache(backend, Path(folder))
    graph = clock.time("trace", lambda: trace(layers))
    key = clock.time("find", lambda: artifact_key(graph, target))
    artifact = clock.time("find", lambda: cache.find(key, graph))
    if artifact is None:
        del clock.seconds["find"]
        lowered, _ = clock.time("passes", lambda: lower(backend, graph, target))
        artifact = clock.time("emit", lambda: backend.emit(lowered, target))
        cache.store(key, artifact)
    clock.time("load", lambda: backend.load(artifact, target))
    return Start(layers, len(graph), clock.seconds)


def start_apart(backend: str, layers: int, folder: str) -> Start:
    """``start`` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.compile_time", "--start", backend, str(layers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, folder], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{backend} at {layers} layers failed:\n{done.stderr}")
    return Start(**json.loads(done.stdout.splitlines()[-1]))


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """How times grow with sizes: the slope of the line through their logarithms."""
    xs, ys = ([math.log(max(v, 1e-6)) for v in values] for values in (sizes, seconds))
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return across / sum((x - middle_x) ** 2 for x in xs)


def table(title: str, stages: Sequence[str], starts: Sequence[Start]) -> list[str]:
    """Lines with the seconds of each stage, milliseconds a node, and the exponents."""
    head = f"{'layers':>8}{'nodes':>8}" + "".join(f"{s:>9}" for s in stages)
    lines = [title, f"{head}{'total':>9}{'ms/node':>9}"]
    for s in starts:
        cells = "".join(f"{s.seconds[name]:9.2f}" for name in stages)
        per_node = 1e3 * s.total / s.nodes
        lines.append(f"{s.layers:8}{s.nodes:8}{cells}{s.total:9.2f}{per_node:9.3f}")
    if len(starts) > 1:
        nodes = [s.nodes for s in starts]
        growth = [exponent(nodes, [s.seconds[name] for s in starts]) for name in stages]
        growth.append(exponent(nodes, [s.total for s in starts]))
        lines.append(f"{'exponent':>16}" + "".join(f"{g:9.2f}" for g in growth))
    return lines


def report(backend: str, sizes: Sequence[int]) -> list[str]:
    """Cold and warm starts of all sizes on one backend."""
    cold, warm = [], []
    for layers in sizes:
        with tempfile.TemporaryDirectory() as folder:
            cold.append(start_apart(backend, layers, folder))
            warm.append(start_apart(backend, layers, folder))
    shares = [
        f"{100 * w.after_trace / c.after_trace:.0f} %" for w, c in zip(warm, cold, strict=True)
    ]
    return [
        *table(f"{backend}, cold", COLD, cold),
        *table(f"{backend}, warm", WARM, warm),
        f"warm of cold, after the trace: {', '.join(shares)}",
    ]


def main() -> None:
    """Prints the report; with ``--start`` one start as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", default=",".join(map(str, LAYERS)))
    parser.add_argument("--backends", default="onnx,tvm")
    parser.add_argument("--start", nargs=3, metavar=("BACKEND", "LAYERS", "FOLDER"))
    options = parser.parse_args()
    if options.start:
        backend, layers, folder = options.start
        made = start(backend, int(layers), folder)
        print(json.dumps({"layers": made.layers, "nodes": made.nodes, "seconds": made.seconds}))
        return
    for backend in options.backends.split(","):
        print("\n".join(report(backend, [int(n) for n in options.layers.split(",")])), flush=True)


if __name__ == "__main__":
    main()

"""The cost of one call of a compiled graph, beyond the runtime's own time.

The graph has 300 state tensors of 16 floats and adds its input to each, so that nearly all of a
call is bookkeeping. ONNX Runtime alone runs the same exported graph with everything bound once
(``run_with_iobinding``): the difference is what nngraph's runtime adds.
``python -m benchmarks.overhead onnx`` prints one backend's numbers as JSON.

The checks of a call (is a trace valid for it?) are timed by themselves, for a training step of a
model of 100 modules with 300 parameters and Adam: ``python -m benchmarks.overhead checks``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
STATES = 300
WIDTH = 16
BLOCKS = 15
CALLS = 100
# "Well under a millisecond": the promise that a run is held to.
LIMIT_MS = 0.5
MODULES = 100
LIMIT_CHECKS_US = 20.0
ELEMENT_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
}


def make_step(count: int) -> Callable[[Any], Any]:
    """A function that adds its argument to each of ``count`` tensors, and returns its sum."""
    import nngraph as ng

    states = [ng.zeros(WIDTH) for _ in range(count)]

    def step(x: Any) -> Any:
        for state in states:
            state.add_(x)
        return x.sum()

    return step


def compiled_call(step: Callable[[Any], Any], backend: str, threads: int) -> Callable[[], Any]:
    """A call of the compiled step, traced and compiled already.

    Raises ``RuntimeError`` when it returns a wrong number.
    """
    import nngraph as ng

    fn = ng.compile(step, backend=backend, threads=threads)
    x = ng.from_numpy(np.ones(WIDTH, np.float32))
    total = float(fn(x))
    if total != WIDTH:
        raise RuntimeError(f"the step returned {total}, not the sum of {WIDTH} ones")
    return lambda: fn(x)


def onnxruntime_call(step: Callable[[Any], Any], threads: int) -> Callable[[], Any]:
    """A bare ``run_with_iobinding`` of the same step, exported: all tensors bound once."""
    import onnxruntime as ort

    import nngraph as ng

    x = ng.from_numpy(np.ones(WIDTH, np.float32))
    with tempfile.TemporaryDirectory() as folder:
        path = ng.export(ng.compile(step, backend="onnx"), Path(folder) / "step.onnx", x)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    inputs = [*session.get_inputs(), *session.get_overridable_initializers()]
    for node in inputs:
        binding.bind_ortvalue_input(node.name, allocate(node))
    for node in session.get_outputs():
        binding.bind_ortvalue_output(node.name, allocate(node))
    if len(inputs) < STATES:
        raise RuntimeError(f"the exported step has {len(inputs)} inputs, not {STATES} states")
    return lambda: session.run_with_iobinding(binding)


def allocate(node: Any) -> Any:
    """An OrtValue of ones for a graph input or output of static shape."""
    import onnxruntime as ort

    return ort.OrtValue.ortvalue_from_numpy(np.ones(node.shape, ELEMENT_TYPES[node.type]))


def time_calls(calls: Sequence[Callable[[], Any]]) -> list[float]:
    """Milliseconds of each call: median over blocks, the blocks of all taken in turns."""
    blocks: list[list[float]] = [[] for _ in calls]
    for _ in range(BLOCKS):
        for call, times in zip(calls, blocks, strict=True):
            call()
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            times.append(1e3 * (time.perf_counter() - start) / CALLS)
    return [statistics.median(times) for times in blocks]


def measure(backend: str, threads: int) -> dict[str, float]:
    """Milliseconds a call: ``compiled``, and for ONNX Runtime also ``runtime`` (alone)."""
    calls = {"compiled": compiled_call(make_step(STATES), backend, threads)}
    if backend == "onnx":
        calls["runtime"] = onnxruntime_call(make_step(STATES), threads)
    return dict(zip(calls, time_calls(list(calls.values())), strict=True))


def make_training_step() -> Callable[[Any], Any]:
    """A step of ``MODULES`` modules with three parameters each, trained by Adam."""
    import nngraph as ng

    class Block(ng.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = ng.nn.Parameter(ng.ones(WIDTH))
            self.shift = ng.nn.Parameter(ng.zeros(WIDTH))
            self.mix = ng.nn.Parameter(ng.zeros(WIDTH))

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.shift + 0.1 * self.mix

    model = ng.nn.Sequential(*[Block() for _ in range(MODULES)])
    optimizer = ng.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def measure_checks() -> dict[str, float]:
    """Microseconds of finding the trace that is valid for a call.

    ``checks`` where nothing but values changed since the last call, ``after_a_change`` where
    something did, so that everything is looked at again.
    """
    import nngraph as ng
    from nngraph.frontend.compiled import kind_of_call
    from nngraph.frontend.structure import structure

    fn = ng.compile(make_training_step(), backend="reference")
    x = ng.from_numpy(np.ones((4, WIDTH), np.float32))
    fn(x)
    fn(x)

    def check() -> None:
        call, _ = kind_of_call((x,), {})
        if not fn.is_known(call):
            raise RuntimeError("the trace of the first call is not valid for the third")

    def after_a_change() -> None:
        structure.changed()
        check()

    times = time_calls([check, after_a_change])
    return {"checks": 1e3 * times[0], "after_a_change": 1e3 * times[1]}


def describe_checks(times: dict[str, float]) -> str:
    """One line for the report; says so when the promise is broken."""
    found = times["checks"]
    text = (
        f"- checks of a call, {3 * MODULES} parameters: {found:.1f} us; "
        f"after a change of structure {times['after_a_change']:.0f} us"
    )
    over = f"{text} - OVER the limit of {LIMIT_CHECKS_US} us"
    return text if found <= LIMIT_CHECKS_US else over


def describe(backend: str, times: dict[str, float]) -> str:
    """One line for the report; says so when the promise is broken."""
    text = f"- {backend}: {times['compiled']:.3f} ms a call"
    extra = times["compiled"]
    if "runtime" in times:
        extra -= times["runtime"]
        text += f", ONNX Runtime alone {times['runtime']:.3f} ms, so {extra:.3f} ms beyond it"
    return text if extra <= LIMIT_MS else f"{text} - OVER the limit of {LIMIT_MS} ms"


def run_apart(backend: str, threads: int) -> str:
    """``describe`` of a measurement in its own process, or why there is none."""
    command = [sys.executable, "-m", "benchmarks.overhead", backend, "--threads", str(threads)]
    settings = {"OMP_NUM_THREADS": str(threads), "TVM_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | settings
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no output"]
        return f"- {backend}: FAILED: {lines[-1]}"
    times = json.loads(done.stdout.splitlines()[-1])
    return describe_checks(times) if backend == "checks" else describe(backend, times)


def report(contenders: Sequence[str], threads: int) -> list[str]:
    """A section of the results for the backends among ``contenders``; empty without one."""
    backends = [name for name in contenders if name in ("onnx", "tvm")]
    if not backends:
        return []
    heading = f"### The cost of a call: {STATES} state tensors of {WIDTH} floats, trivial work"
    rows = [run_apart(each, threads) for each in (*backends, "checks")]
    return ["\n".join([heading, "", *rows])]


def main() -> None:
    """Print one backend's times as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("backend", choices=("onnx", "tvm", "checks"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    checks = options.backend == "checks"
    print(json.dumps(measure_checks() if checks else measure(options.backend, options.threads)))


if __name__ == "__main__":
    main()

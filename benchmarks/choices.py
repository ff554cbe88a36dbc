"""Which kernels TVM is given for the workloads: each spec with its strategy and tile.

    python -m benchmarks.choices x86-64-v3             # for a machine with AVX2
    python -m benchmarks.choices x86-64-v4 mlp gpt     # some workloads, with AVX-512

What it prints for all workloads is kept, and compared, in tests/backends/tvm/strategies.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import nngraph as ng
from benchmarks.frameworks import nngraph_framework
from benchmarks.workloads import WORKLOADS, Workload, loss_of, make_train_step
from nngraph.backends.base import Target, emit
from nngraph.backends.tvm.backend import backend
from nngraph.backends.tvm.lower.show import spec_of
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.strategies.table import choose
from nngraph.ir.graph import Graph


def graphs(workload: Workload) -> list[Graph]:
    """The traced training step and the traced model."""
    fw = nngraph_framework()
    model = workload.build(fw)
    x, y = (fw.from_numpy(a) for a in workload.batches(1)[0])
    step = make_train_step(workload.build_optimizer(fw, model), partial(loss_of, fw, model))
    with fw.no_grad():
        return [ng.trace(model.eval(), x), ng.trace(ng.enable_grad()(step), x, y)]


def specs(names: Sequence[str]) -> list[object]:
    """What the kernels of workloads compute, each once, where there are strategies for it."""
    found: dict[object, None] = {}
    for name in names:
        for graph in graphs(WORKLOADS[name]):
            program = emit(backend, graph, Target("tvm")).artifact.program
            found.update(dict.fromkeys(map(spec_of, program.all_kernels)))
    found.pop(None, None)
    return list(found)


def line(spec: object, machine: Machine) -> str:
    """A choice on one line."""
    chosen = choose(spec, machine)
    return f"{spec} -> {chosen.name} {chosen.tile(spec, machine)}"


def main(arguments: Sequence[str]) -> None:
    """Prints a line for each spec."""
    machine = Machine.named(arguments[0] if arguments else "x86-64-v3")
    for spec in specs(arguments[1:] or list(WORKLOADS)):
        print(line(spec, machine))


if __name__ == "__main__":
    main(sys.argv[1:])

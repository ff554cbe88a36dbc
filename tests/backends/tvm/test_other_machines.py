"""Code for machines that are not here: compiled only, or their tiles with vectors of this one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngraph.backends.arrays import aligned_empty
from nngraph.backends.tvm.library import KernelRequest, build_module, compile_library
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.specs import (
    ConvForward,
    ConvInputGradient,
    ConvSpec,
    ConvWeightGradient,
    GemmSpec,
)
from nngraph.backends.tvm.strategies.table import build
from tests.backends.tvm.kernel_case import MACHINE, assert_close, random, tensor

TWO = (1, 1)
SMALL = ConvSpec(9, 20, 18, (5, 7), (3, 3), TWO, TWO, TWO, TWO)
DEPTHWISE = ConvSpec(3, 6, 6, (6, 9), (3, 3), TWO, TWO, TWO, TWO, groups=6)
SPECS = {
    "panels": GemmSpec.contiguous(33, 70, 65),
    "dots": GemmSpec.contiguous(5, 70, 65, transpose_b=True),
    **{
        f"{kind.__name__} {name}": kind(conv)
        for name, conv in (("small", SMALL), ("depthwise", DEPTHWISE))
        for kind in (ConvForward, ConvInputGradient, ConvWeightGradient)
    },
}


def assembly(machine: Machine, folder: Path) -> str:
    """Of all kernels."""
    functions = {
        f"k{i}": build(spec, machine).with_attr("global_symbol", f"k{i}")
        for i, spec in enumerate(SPECS.values())
    }
    path = folder / f"{machine.cpu}.s"
    build_module(functions, machine).write_to_file(str(path))
    return path.read_text()


def widest(text: str) -> str:
    """The widest vector registers that code uses."""
    return max(re.findall(r"%([xyz]mm)\d", text))


@pytest.mark.parametrize(
    ("name", "register"), [("x86-64-v2", "xmm"), ("x86-64-v3", "ymm"), ("x86-64-v4", "zmm")]
)
def test_each_machine_gets_its_vectors(name: str, register: str, tmp_path: Path) -> None:
    text = assembly(Machine.named(name), tmp_path)
    assert widest(text) == register
    assert ("vfmadd" in text) == (name != "x86-64-v2")


@pytest.fixture(scope="module")
def results() -> dict[tuple[int, int], list[np.ndarray]]:
    """What the kernels compute with each machine's tiles, all compiled for this processor."""
    shapes = [(16, 16), (32, 16), (64, 32)]
    machines = {s: replace(MACHINE, vector_bytes=s[0], registers=s[1]) for s in shapes}
    requests = [
        KernelRequest(f"{shape} {name}", lambda s=spec, m=machine: build(s, m))
        for shape, machine in machines.items()
        for name, spec in SPECS.items()
    ]
    functions = iter(compile_library(requests, MACHINE).functions)
    return {shape: [run(next(functions), spec) for spec in SPECS.values()] for shape in shapes}


def run(kernel: object, spec: object) -> np.ndarray:
    assert callable(kernel)
    if isinstance(spec, GemmSpec):
        shapes = [(spec.rows, spec.inner), (spec.inner, spec.columns), (spec.rows, spec.columns)]
    else:
        assert isinstance(spec, ConvForward | ConvInputGradient | ConvWeightGradient)
        conv = spec.conv
        x, w, y = conv.x_shape, conv.weight_shape, conv.y_shape
        shapes = {ConvForward: [x, w, y], ConvInputGradient: [y, w, x]}.get(type(spec), [x, y, w])
    *inputs, out = shapes
    result = aligned_empty(out, np.float32)
    kernel(*(tensor(random(s, seed=i)) for i, s in enumerate(inputs)), tensor(result))
    return result


@pytest.mark.parametrize("shape", [(16, 16), (64, 32)])
def test_tiles_of_other_machines_compute_the_same(
    shape: tuple[int, int], results: dict[tuple[int, int], list[np.ndarray]]
) -> None:
    for got, want in zip(results[shape], results[(32, 16)], strict=True):
        assert_close(got, want)

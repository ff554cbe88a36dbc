from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nngraph import ops
from nngraph.backends import BACKENDS, BackendError, choose_backend, get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type


def counting_graph() -> Graph:
    """An output that is an input, a state that changes, one that does not."""
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (3,)), "x")
    graph.add_state("kept", tensor_type("f32", (2,)))
    graph.add_state("line", tensor_type("i64", (4,)))
    with Builder(graph):
        graph.set_state("line", ops.iota(graph.states[1].input.type.dtype, (4,), 0, x))
    graph.add_output(x, "same")
    return graph


def test_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"'onxx'.*'reference', 'onnx', 'tvm'"):
        get_backend("onxx")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r'onnxruntime.*pip install "nngraph\[onnx\]"'):
        get_backend("onnx")


def test_auto_is_the_installed_backend_of_the_highest_priority(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("onnxruntime", "tvm"):
        assert choose_backend() == {"onnxruntime": "onnx", "tvm": "tvm"}[package]
        monkeypatch.setitem(sys.modules, package, None)
    assert choose_backend() == "reference"
    assert len({row.priority for row in BACKENDS.values()}) == len(BACKENDS)


def test_a_package_that_is_broken_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = get_backend("onnx")

    def broken(*args: object) -> object:
        raise ImportError("libonnx.so: cannot open shared object file")

    monkeypatch.setattr(backend, "load", broken)
    with pytest.raises(BackendError, match=r"libonnx.*force-reinstall \"nngraph\[onnx\]"):
        build(backend, counting_graph(), Target("onnx"))


UNLOADED = """
import sys
from nngraph.backends import get_backend
from nngraph.backends.base import Target, emit
from nngraph.ops import REGISTRY
from nngraph.ir.parser import parse_graph
graph = parse_graph({text!r}, REGISTRY)
backend = get_backend({name!r})
lowered = graph.clone()
from nngraph.passes.base import Context
backend.pipeline(Target({name!r})).run(lowered, Context())
assert not {{"onnx", "onnxruntime", "tvm", "tvm_ffi", "torch"}} & set(sys.modules), "lowered"
made = emit(backend, graph, Target({name!r}))
print(*sorted({{"onnx", "onnxruntime", "tvm", "tvm_ffi"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(("name", "loaded"), [("reference", ""), ("onnx", "onnx"), ("tvm", "")])
def test_a_graph_is_lowered_and_emitted_without_the_runtime(name: str, loaded: str) -> None:
    code = UNLOADED.format(text=str(counting_graph()), name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == loaded


@pytest.mark.parametrize("threads", [0, -2])
def test_a_target_has_at_least_one_thread(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads is {threads}; wanted at least 1"):
        Target("onnx", threads=threads)


def test_reference_runs_a_graph_and_leaves_its_arguments() -> None:
    built = build(get_backend("reference"), counting_graph(), Target("reference"))
    x, kept, line = np.ones(3, np.float32), np.ones(2, np.float32), np.full(4, 9)
    outputs, states = built.executable.run([x], [], [kept, line])
    assert outputs[0] is not x and np.array_equal(outputs[0], x)
    assert states[0] is kept
    assert np.array_equal(states[1], [0, 1, 2, 3]) and np.array_equal(line, [9, 9, 9, 9])


def test_reference_evaluates_with_host_scalars() -> None:
    graph = Graph()
    lr = graph.add_scalar("lr", tensor_type("f32", ()))
    graph.add_output(lr)
    built = build(get_backend("reference"), graph, Target("reference"))
    (out,), _ = built.executable.run([], [0.25], [])
    assert out.dtype == np.float32 and out.shape == () and out == 0.25


def test_reference_runs_symbolic_graphs_at_any_size() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", ("n", 3)), "x")
    with Builder(graph):
        n = x.type.shape[0]
        line = ops.iota(x.type.dtype, (n,), 0, x)
        graph.add_output(ops.concat([ops.reshape(x, (n * 3,)), line], 0))
    run = build(get_backend("reference"), graph, Target("reference")).executable
    for size in (2, 0, 5, 2):
        data = np.full((size, 3), 7, np.float32)
        (out,), _ = run.run([data], [], [])
        assert np.array_equal(out, [*[7] * (3 * size), *range(size)])

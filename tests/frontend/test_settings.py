"""Settings of the whole process, beside PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import nngraph as ng
from nngraph.backends.base import Target, choose_threads

SCRIPTS = """
    m.use_deterministic_algorithms(True); m.are_deterministic_algorithms_enabled()
    m.use_deterministic_algorithms(True, warn_only=True); m.get_deterministic_debug_mode()
    m.use_deterministic_algorithms(True); m.is_deterministic_algorithms_warn_only_enabled()
    m.use_deterministic_algorithms('a'); 0
    m.set_deterministic_debug_mode('warn'); m.get_deterministic_debug_mode()
    m.set_deterministic_debug_mode(2); m.are_deterministic_algorithms_enabled()
    m.set_deterministic_debug_mode(0); m.are_deterministic_algorithms_enabled()
    m.set_deterministic_debug_mode('x'); 0
    m.set_deterministic_debug_mode(3); 0
    m.set_deterministic_debug_mode(None); 0
    m.get_float32_matmul_precision(); m.get_float32_matmul_precision()
    m.set_float32_matmul_precision('high'); m.get_float32_matmul_precision()
    m.set_float32_matmul_precision('high'); m.backends.cuda.matmul.allow_tf32
    m.set_float32_matmul_precision('medium'); m.get_float32_matmul_precision()
    m.set_num_threads(2); m.get_num_threads()
    m.set_num_threads(0); 0
    m.set_num_threads(-1); 0
    m.set_num_threads(2.5); 0
    m.set_warn_always(True); m.is_warn_always_enabled()
    m.set_num_interop_threads(0); 0
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    for library in (torch, ng):
        library.use_deterministic_algorithms(False)
        library.set_float32_matmul_precision("highest")
        library.set_warn_always(False)
    torch.set_num_threads(threads)
    choose_threads(None)


def outcome(library: Any, text: str) -> Any:
    *before, last = text.split("; ")
    try:
        exec("; ".join(before), {"m": library})
        return eval(last, {"m": library})
    except Exception as error:  # noqa: BLE001 - its kind is compared
        return type(error)


@pytest.mark.parametrize("text", [line.strip() for line in SCRIPTS.strip().splitlines()])
def test_as_in_pytorch(text: str) -> None:
    assert outcome(ng, text) == outcome(torch, text)


def test_an_unknown_precision_warns_and_changes_nothing() -> None:
    ng.set_float32_matmul_precision("high")
    with pytest.warns(UserWarning, match="no effect"):
        ng.set_float32_matmul_precision("foo")
    assert ng.get_float32_matmul_precision() == "high"
    ng.backends.cuda.matmul.allow_tf32 = False
    assert ng.get_float32_matmul_precision() == "highest"


def test_threads_of_targets_that_name_none() -> None:
    ng.set_num_threads(3)
    assert Target("onnx").thread_count == 3 == ng.get_num_threads()
    assert Target("onnx", threads=1).thread_count == 1
    choose_threads(None)
    assert Target("onnx").wanted_threads is None and ng.get_num_threads() >= 1


@pytest.mark.parametrize("backend", ["onnx", "tvm"])
def test_compiled_functions_use_them(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    original = vars(Target)["wanted_threads"].fget

    def counted(target: Target) -> Any:
        counts.append(original(target))
        return counts[-1]

    monkeypatch.setattr(Target, "wanted_threads", property(counted))
    ng.set_num_threads(1)
    assert ng.compile(lambda x: x * 2 + 1, backend=backend)(ng.ones(3)).tolist() == [3.0] * 3
    assert counts and set(counts) == {1}


def test_denormals_and_interop() -> None:
    assert ng.set_flush_denormal(True) is False
    before = ng.get_num_interop_threads()
    ng.set_num_interop_threads(2)
    assert ng.get_num_interop_threads() == 2
    ng.set_num_interop_threads(before)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ng.set_float32_matmul_precision("highest")

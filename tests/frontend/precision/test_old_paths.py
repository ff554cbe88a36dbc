"""``cuda.amp`` and ``cpu.amp``: PyTorch's signatures, and its words on what to write instead."""

from __future__ import annotations

import inspect
import re
import warnings
from typing import Any

import pytest
import torch

import nngraph as ng

CALLS = [
    "cuda.amp.autocast()",
    "cuda.amp.autocast(False)",
    "cuda.amp.autocast(dtype=m.bfloat16)",
    "cpu.amp.autocast()",
    "cpu.amp.autocast(dtype=m.float16)",
    "cpu.amp.autocast(True, m.float32)",
    "cuda.amp.GradScaler()",
    "cuda.amp.GradScaler(enabled=False)",
    "cpu.amp.GradScaler()",
    "cpu.amp.GradScaler(init_scale=4.0)",
    "cuda.amp.custom_fwd(lambda x: x)",
    "cuda.amp.custom_bwd(lambda x: x)",
]
NAMES = [
    *(f"cuda.amp.{name}" for name in ("autocast", "GradScaler", "custom_fwd", "custom_bwd")),
    *("cpu.amp.autocast", "cpu.amp.GradScaler"),
]


def found(library: Any, text: str) -> tuple[Any, list[Any]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = eval(f"m.{text}", {"m": library})
    kinds = [(w.category, re.sub("torch.", "", str(w.message))[:60]) for w in caught]
    return value, [k if k[0] is FutureWarning else k[0] for k in kinds]


@pytest.mark.parametrize("text", CALLS)
def test_calls_warn_and_give_what_pytorchs_do(text: str) -> None:
    (got, said), (wanted, warned) = found(ng, text), found(torch, text)
    assert said == warned
    for name in ("_enabled", "device", "_cache_enabled", "fast_dtype"):
        if hasattr(wanted, name):
            shown = str(getattr(got, name)).replace("nngraph.", "")
            assert shown == str(getattr(wanted, name)).replace("torch.", "")
    if "GradScaler" in text:
        assert got.get_scale() == wanted.get_scale()


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_pytorchs(name: str) -> None:
    def arguments(library: Any) -> list[Any]:
        value = eval(f"m.{name}", {"m": library})
        parameters = inspect.signature(value).parameters.values()
        return [
            (p.name, p.kind, str(p.default).replace("torch.", "").replace("nngraph.", ""))
            for p in parameters
        ]

    assert arguments(ng) == arguments(torch)


def test_submodules_are_there() -> None:
    from nngraph.cpu.amp.autocast_mode import autocast as on_cpu
    from nngraph.cuda.amp.autocast_mode import autocast as on_cuda
    from nngraph.cuda.amp.grad_scaler import GradScaler

    assert issubclass(on_cpu, ng.autocast) and issubclass(on_cuda, ng.autocast)
    assert issubclass(GradScaler, ng.GradScaler)


def test_a_script_of_before() -> None:
    """A region of ``cpu.amp`` and a scaler that is off for want of a GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        region, scaler = ng.cpu.amp.autocast(), ng.cuda.amp.GradScaler()
    w = ng.ones(2, 2).requires_grad_()
    optimizer = ng.optim.SGD([w], lr=0.5)
    with region:
        loss = (w @ w).float().sum()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [[-1.0, -1.0], [-1.0, -1.0]]

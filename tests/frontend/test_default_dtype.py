"""``set_default_dtype``: what is made without a dtype, eagerly, in traces and in modules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn
from nngraph.frontend.errors import TraceError
from tests.frontend.parity import attempt, plain

MADE = """
    m.tensor(1.5)  m.tensor([1.0, 2])  m.tensor([1, 2])  m.tensor([])  m.tensor(True)
    m.tensor(np.float32(1.5))  m.tensor(np.ones(2))  m.tensor([np.float32(1.5), 2.5])
    m.tensor([m.tensor(1, dtype=m.float16), 2.5])  m.as_tensor([1.0])  m.asarray(2.5)
    m.scalar_tensor(2)  m.zeros(2)  m.ones(2, 2)  m.empty(2).dtype  m.full((2,), 1.5)
    m.full((2,), 1)  m.full((2,), True)  m.full((2,), np.float32(1.5))  m.arange(3)
    m.arange(0.0, 1.0, 0.25)
    m.linspace(0, 1, 5)  m.logspace(0, 1, 3)  m.eye(2)  m.rand(2) * 0  m.randn(2) * 0
    m.rand_like(y) * 0  m.hann_window(4)  m.Tensor(2, 3).dtype  m.Tensor([1, 2])
    i + 1.5  i * 2  i / 2  i.div(i)  i.sqrt()  i.sin()  i + m.tensor(1.5)  y + 1.5  h * 2.5  b * 1.5
    d + 1.5  i.float()  i.true_divide(3)  m.pow(2.5, i)  m.where(b, 1.5, 2.5)  m.where(b, i, 2.5)
    m.result_type(i, 1.5)  m.result_type(h, 1.5)  i.mean(dtype=None) if False else i.sum()
    m.atan2(i, i)  i.exp()  i.sigmoid()  m.clamp(i, 0.5)  i.softmax(-1, dtype=None) if False else i
    m.nn.Linear(2, 3).weight * 0  m.nn.LSTM(2, 2).bias_hh_l0 * 0  m.nn.BatchNorm1d(2).running_var
    m.nn.Embedding(3, 2).weight * 0  m.nn.Linear(2, 2, dtype=m.float16).bias * 0
    m.nn.Parameter(m.ones(2))  m.finfo().bits  m.get_default_dtype()  repr(m.ones(2))
    repr(m.ones(2, dtype=m.float32))  repr(m.ones(2, dtype=m.float64))  repr(m.zeros(0))
    m.nn.functional.one_hot(idx)  m.nn.Transformer.generate_square_subsequent_mask(2)
"""
TEXTS = [t for line in MADE.strip().splitlines() for t in line.strip().split("  ")]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)
    ng.set_default_dtype(ng.float32)


@pytest.mark.parametrize("name", ["float64", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("text", TEXTS)
def test_what_is_made(text: str, name: str) -> None:
    torch.set_default_dtype(getattr(torch, name))
    ng.set_default_dtype(getattr(ng, name))
    wanted, error = attempt(torch, text)
    got, raised = attempt(ng, text)
    assert (error is None) == (raised is None), (error, raised)
    if error is not None:
        return
    got, wanted = plain(got), plain(wanted)
    if isinstance(wanted, tuple):
        assert got[:2] == wanted[:2]
        np.testing.assert_allclose(got[2], wanted[2], rtol=0.01)
    elif isinstance(wanted, str):
        assert got.replace("nngraph.", "torch.") == wanted
    else:
        assert got == wanted


@pytest.mark.parametrize("value", ["'float64'", "1", "None", "m.int64", "m.bool"])
def test_what_is_no_default(value: str) -> None:
    for library in (torch, ng):
        with pytest.raises(TypeError):
            library.set_default_dtype(eval(value, {"m": library}))
    assert ng.get_default_dtype() is ng.float32


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
def test_traces_follow(backend: str) -> None:
    compiled = ng.compile(lambda i: (i + 1.5, i.exp(), ng.zeros(2)), backend=backend)
    i = ng.arange(3)
    for dtype in (ng.float32, ng.float64, ng.float32):
        ng.set_default_dtype(dtype)
        assert [t.dtype for t in compiled(i)] == [dtype] * 3
    assert compiled.explain().count("-> ") == 2 and "default dtype" in compiled.explain()


def test_what_names_its_dtypes_is_not_traced_again() -> None:
    compiled = ng.compile(lambda x: x * 2 + x.sum(), backend="reference")
    compiled(ng.ones(3))
    graph = compiled.graph
    ng.set_default_dtype(ng.float64)
    compiled(ng.ones(3, dtype=ng.float32))
    assert compiled.graph is graph


def test_a_trace_cannot_set_it() -> None:
    def function(x: ng.Tensor) -> ng.Tensor:
        ng.set_default_dtype(ng.float64)
        return x + 1

    with pytest.raises(TraceError, match="set_default_dtype"):
        ng.compile(function, backend="reference")(ng.ones(2))
    assert ng.get_default_dtype() is ng.float32


@pytest.mark.parametrize("backend", ["eager", "reference", "onnx", "tvm"])
def test_training_in_float64(backend: str) -> None:
    losses = []
    for library in (torch, ng):
        library.set_default_dtype(library.float64)
        model = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.Tanh())
        with library.no_grad():
            for k, p in enumerate(model.parameters()):
                p.copy_(library.linspace(-0.5, 0.5 + k, p.numel()).reshape(p.shape))
        optimizer = library.optim.Adam(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):  # type: ignore[no-untyped-def]
            optimizer.zero_grad()
            loss = (model(x) * 0.5).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run = step if library is torch or backend == "eager" else ng.compile(step, backend=backend)
        x = library.linspace(0, 1, 6).reshape(2, 3)
        found = [run(x).detach() for _ in range(4)]
        assert all(v.dtype is library.float64 for v in (*model.parameters(), *found))
        losses.append([float(v) for v in found])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_modules_made_in_between_keep_theirs() -> None:
    ng.set_default_dtype(ng.float64)
    layer = nn.Linear(2, 2)
    ng.set_default_dtype(ng.float32)
    assert layer.weight.dtype is ng.float64 and nn.Linear(2, 2).weight.dtype is ng.float32

"""Regions of autocast: what is on where, what is kept, and what a trace knows of it."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.precision.state import State, current
from tests.support.training import count_traces

#: Programs whose printed values are compared; ``m`` is PyTorch or nngraph, ``w`` a parameter.
PROGRAMS = {
    "nested": """
v = w.detach()
with m.autocast("cpu"):
    out += [v @ v, m.is_autocast_enabled("cpu")]
    with m.autocast("cpu", enabled=False):
        out += [v @ v, m.is_autocast_enabled("cpu")]
        with m.autocast("cpu", dtype=m.float16):
            out += [v @ v, m.get_autocast_dtype("cpu")]
        out += [v @ v, m.get_autocast_dtype("cpu")]
    out += [v @ v, m.get_autocast_dtype("cpu")]
out += [v @ v, m.is_autocast_enabled("cpu"), m.get_autocast_dtype("cpu")]
""",
    "decorator": """
@m.autocast("cpu", dtype=m.bfloat16)
def f(n):
    return w @ w
out += [f(2), f.__name__, w @ w]
""",
    "an error": """
try:
    with m.autocast("cpu"):
        raise KeyError
except KeyError:
    pass
out += [w @ w, m.is_autocast_enabled("cpu")]
""",
    "one region twice": """
region = m.autocast("cpu", m.float16)
with region:
    out += [w @ w]
with region:
    out += [w @ w]
out += [region.fast_dtype, region.device]
""",
    "in place and out=": """
a, b = w.detach().clone(), w.detach()
with m.autocast("cpu"):
    out += [m.mm(a, a, out=m.empty(3, 3)), a.addmm_(b, b), a @ a]
    try:
        m.mm(a.bfloat16(), a, out=m.empty(3, 3))
    except RuntimeError:
        out += ["refused"]
""",
    "one cast of a parameter": """
with m.autocast("cpu"):
    y = (w @ w).float() + (w @ (w * 1)).float() + (w.t() @ w).float()
    y.sum().backward()
out += [w.grad]
""",
    "no cache": """
with m.autocast("cpu", cache_enabled=False):
    out += [m.is_autocast_cache_enabled()]
    y = (w @ w).float() + (w @ w).float()
y.sum().backward()
out += [w.grad, m.is_autocast_cache_enabled()]
""",
    "no_grad in a region": """
with m.autocast("cpu"):
    with m.no_grad():
        out += [(w @ w).requires_grad]
    y = w @ w
    out += [y.requires_grad]
y.float().sum().backward()
out += [w.grad]
""",
    "two backwards in a region": """
with m.autocast("cpu"):
    for _ in range(2):
        (w @ w).float().sum().backward()
out += [w.grad]
""",
    "kept float64 and integers": """
d, i = w.detach().double(), m.ones(3, 3, dtype=m.int64)
with m.autocast("cpu"):
    out += [d @ d, i @ i, m.cat([d, d]), m.nn.functional.mse_loss(d, d), m.cat([i, i])]
    out += [m.cat([w, w.bfloat16()]), m.stack([w.bfloat16(), w.bfloat16()])]
""",
    "switches": """
v = w.detach()
out += [m.is_autocast_enabled(), m.get_autocast_dtype("cuda"), m.is_autocast_enabled("cuda")]
m.set_autocast_enabled("cpu", True)
out += [v @ v, m.is_autocast_enabled("cpu")]
m.set_autocast_dtype("cpu", m.float16)
out += [v @ v, m.get_autocast_dtype("cpu")]
with m.autocast("cpu"):
    out += [v @ v]
m.set_autocast_enabled("cpu", False)
m.set_autocast_dtype("cpu", m.bfloat16)
out += [v @ v, m.autocast_increment_nesting(), m.autocast_decrement_nesting()]
m.clear_autocast_cache()
m.set_autocast_cache_enabled(False)
out += [m.autocast("cpu")._cache_enabled]
m.set_autocast_cache_enabled(True)
""",
    "old switches": """
out += [m.is_autocast_cpu_enabled(), m.get_autocast_cpu_dtype(), m.get_autocast_gpu_dtype()]
m.set_autocast_cpu_enabled(True)
m.set_autocast_cpu_dtype(m.float16)
out += [w @ w]
m.set_autocast_cpu_enabled(False)
m.set_autocast_cpu_dtype(m.bfloat16)
""",
    "a function of one's own": """
class Square(m.autograd.Function):
    @staticmethod
    @m.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x):
        ctx.save_for_backward(x)
        y = x @ x
        out.append(y.detach())
        return y
    @staticmethod
    @m.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        out.append(m.is_autocast_enabled("cpu"))
        return g @ x.t() + x.t() @ g
with m.autocast("cpu"):
    y = Square.apply(w)
y.float().sum().backward()
out += [w.grad]
""",
    "a function of one's own, cast": """
class Square(m.autograd.Function):
    @staticmethod
    @m.amp.custom_fwd(device_type="cpu", cast_inputs=m.float32)
    def forward(ctx, x, more):
        ctx.save_for_backward(x)
        out.extend([x.dtype, more[0].dtype, more[1], m.is_autocast_enabled("cpu")])
        return x @ x
    @staticmethod
    @m.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        out.append(m.is_autocast_enabled("cpu"))
        return g @ x.t() + x.t() @ g, None
with m.autocast("cpu"):
    Square.apply(w.bfloat16(), [w.detach().half(), 3]).sum().backward()
Square.apply(w.bfloat16(), (w.detach().half(), 3)).sum().backward()
out += [w.grad]
""",
    "availability": """
out += [m.amp.is_autocast_available(d) for d in ("cpu", "cuda", "meta", "mps")]
""",
    "another device": """
with m.autocast("mps"):
    out += [w @ w, m.is_autocast_enabled("mps"), m.is_autocast_enabled("cpu")]
""",
    "off for a dtype": """
region = m.autocast("cpu", m.float32)
with region:
    out += [w @ w, region._enabled, m.is_autocast_enabled("cpu")]
out += [m.autocast("cpu", m.int8, enabled=False)._enabled]
""",
    "off for want of a GPU": """
with m.autocast("cuda") as region:
    out += [w @ w, m.is_autocast_enabled("cuda"), m.get_autocast_dtype("cuda")]
scaler = m.amp.GradScaler("cuda")
out += [scaler.is_enabled(), m.amp.GradScaler().is_enabled(), m.GradScaler("cpu").is_enabled()]
""",
    "paths": """
out += [m.amp.autocast is m.autocast, m.amp.autocast_mode.autocast is m.autocast]
out += [m.amp.grad_scaler.GradScaler is m.amp.GradScaler]
""",
}


def ran(library: Any, text: str) -> tuple[list[Any], list[str]]:
    """What a program collects, and the kinds of its warnings."""
    start = np.arange(9, dtype=np.float32).reshape(3, 3) / 7 - 0.6
    w = library.tensor(start).requires_grad_()
    out: list[Any] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(text, {"m": library, "w": w, "out": out})
    return [_shown(v) for v in out], [w.category.__name__ for w in caught]


def _shown(value: Any) -> Any:
    if isinstance(value, torch.Tensor | ng.Tensor):
        return str(value.dtype).rpartition(".")[2], value.detach().double().numpy()
    return str(value).replace("torch.", "").replace("nngraph.", "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_regions_are_pytorchs(name: str) -> None:
    (wanted, warned), (got, told) = (ran(each, PROGRAMS[name]) for each in (torch, ng))
    assert told == [w for w in warned if "Deprecation" not in w] or told == warned
    assert len(got) == len(wanted) > 0
    for one, other in zip(got, wanted, strict=True):
        if not isinstance(other, tuple):
            assert one == other
            continue
        assert one[0] == other[0]
        np.testing.assert_allclose(one[1], other[1], 1e-2, 1e-6)
    assert current() == State()


REFUSALS = {
    "autocast('bla')": RuntimeError,
    "autocast('meta')": RuntimeError,
    "autocast(3)": ValueError,
    "autocast()": TypeError,
    "amp.is_autocast_available('bla')": RuntimeError,
    "get_autocast_dtype('bla')": RuntimeError,
    "is_autocast_enabled('bla')": RuntimeError,
    "amp.custom_fwd(lambda x: x)": TypeError,
    "amp.custom_fwd(device_type=3)": ValueError,
    "amp.custom_bwd(device_type=3)": ValueError,
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_is_refused(text: str) -> None:
    for library in (torch, ng):
        with pytest.raises(REFUSALS[text]):
            eval(f"m.{text}", {"m": library})


def test_another_thread_has_none() -> None:
    seen: list[bool] = []
    with ng.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(ng.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
    assert seen == [False]


def test_a_written_parameter_is_cast_anew() -> None:
    w = ng.ones(2, 2).requires_grad_()
    with ng.autocast("cpu"):
        before = w @ w
        with ng.no_grad():
            w.mul_(2)
        after = w @ w
    assert after.tolist() == (before * 4).tolist()


def test_regions_of_a_recursion() -> None:
    """PyTorch's leave autocast on: the object forgets the outer of two regions."""

    @ng.autocast("cpu")
    def f(n: int) -> Any:
        return f(n - 1) if n else ng.ones(2, 2) @ ng.ones(2, 2)

    assert f(2).dtype is ng.bfloat16
    assert current() == State()


def test_a_cast_belongs_to_its_dtype() -> None:
    """PyTorch's cache gives an inner region of another dtype the outer one's cast."""
    w = ng.ones(2, 2).requires_grad_()
    with ng.autocast("cpu", ng.bfloat16):
        assert (w @ w).dtype is ng.bfloat16
        with ng.autocast("cpu", ng.float16):
            assert (w @ w).dtype is ng.float16
        assert (w @ w).dtype is ng.bfloat16


def test_a_trace_belongs_to_its_region() -> None:
    w = ng.randn(3, 3).requires_grad_()

    @ng.compile(backend="reference")
    def f(x: Any) -> Any:
        return x @ w

    x = ng.randn(3, 3)
    assert f(x).dtype is ng.float32
    for _ in range(2):
        with ng.autocast("cpu"):
            assert f(x).dtype is ng.bfloat16
        with ng.autocast("cpu", ng.float16):
            assert f(x).dtype is ng.float16
        with ng.autocast("cpu", enabled=False):
            assert f(x).dtype is ng.float32
    assert count_traces(f) == 3
    assert "autocast is on for cpu in bfloat16 now, and was off" in f.explain()


@pytest.mark.parametrize("name", ["reference", "onnx", "tvm"])
def test_compiled_casts_once(name: str) -> None:
    """The gradient of a parameter is summed in the lower precision, as in eager code."""
    w = ng.tensor(np.arange(9, dtype=np.float32).reshape(3, 3) / 7).requires_grad_()

    def step() -> Any:
        w.grad = None
        with ng.autocast("cpu"):
            y = (w @ w).float() + (w.t() @ w).float()
        y.sum().backward()
        return w.grad.clone()

    eager = step()
    compiled = ng.compile(step, backend=name)()
    np.testing.assert_allclose(compiled.numpy(), eager.numpy(), 1e-2)
    casts = [n for n in ng.trace(step).nodes if n.op.name == "cast" and n.inputs[0].hint == "w"]
    assert len(casts) <= 1


def test_dynamic_sizes_keep_apart() -> None:
    f = ng.compile(lambda x: x @ x.t(), backend="reference", dynamic=True)
    for size in (2, 3):
        assert f(ng.ones(size, 2)).dtype is ng.float32
        with ng.autocast("cpu"):
            assert f(ng.ones(size, 2)).dtype is ng.bfloat16

"""``amp.GradScaler``: PyTorch's factors and steps, and steps that are left out inside a graph."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

STEPS = 12
#: Of small whole numbers, so that no rounding decides whether a float16 overflows.
X = np.random.default_rng(0).integers(-3, 4, (STEPS, 4, 3)).astype(np.float32)
X[8] *= 64
OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda f, p: f.optim.SGD(p, lr=0.01, momentum=0.9),
    "Adam": lambda f, p: f.optim.Adam(p, lr=0.01, amsgrad=True),
    "Rprop": lambda f, p: f.optim.Rprop(p, lr=0.01),
    "two groups": lambda f, p: f.optim.AdamW([{"params": p[:1]}, {"params": p[1:], "lr": 0.1}]),
}


class Run:
    """Parameters in float32, a forward pass in float16, and a step with a scaler."""

    def __init__(self, framework: Any, optimizer: str, **options: Any) -> None:
        self.framework = framework
        start = [np.full((3, 2), 0.25, np.float32), np.full((2,), 0.5, np.float32)]
        self.params = [framework.nn.Parameter(framework.tensor(a)) for a in start]
        self.optimizer = OPTIMIZERS[optimizer](framework, self.params)
        options = {"init_scale": 2.0**14, "growth_interval": 2} | options
        self.scaler = framework.amp.GradScaler("cpu", **options)

    def step(self, x: Any) -> Any:
        w, b = self.params
        self.optimizer.zero_grad()
        loss = ((x.half() @ w.half() + b.half()).float() ** 2).sum()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def clipped(self, x: Any) -> Any:
        w, b = self.params
        self.optimizer.zero_grad()
        loss = ((x.half() @ w.half() + b.half()).float() ** 2).sum()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        self.framework.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss


def same(ours: Run, theirs: Run) -> None:
    assert ours.scaler.state_dict() == theirs.scaler.state_dict()
    for a, b in zip(ours.params, theirs.params, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("method", ["step", "clipped"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_step_is_pytorchs(name: str, method: str, backend: str) -> None:
    ours, theirs = Run(ng, name), Run(torch, name)
    step, wanted = getattr(ours, method), getattr(theirs, method)
    run = step if backend == "eager" else ng.compile(step, backend=backend)
    scales = []
    for x in X:
        before = [p.detach().numpy().copy() for p in ours.params]
        run(ng.tensor(x))
        wanted(torch.tensor(x))
        same(ours, theirs)
        scales.append(theirs.scaler.get_scale())
        if len(scales) > 1 and scales[-1] < scales[-2]:  # left out: not a bit has changed
            for p, value in zip(ours.params, before, strict=True):
                np.testing.assert_array_equal(p.detach().numpy(), value)
    pairs = list(itertools.pairwise(scales))
    assert any(a > b for a, b in pairs) and any(a < b for a, b in pairs)
    for key, held in theirs.optimizer.state_dict()["state"].items():
        if "step" in held:
            assert float(ours.optimizer.state_dict()["state"][key]["step"]) == float(held["step"])
    if backend != "eager":
        assert run.explain().count("\ntrace ") == 1


def test_the_step_is_a_file(tmp_path: Any) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    from tests.support.files import File

    ours, theirs = Run(ng, "Adam"), Run(torch, "Adam")
    path = ng.export(ng.compile(ours.step), tmp_path / "step.onnx", ng.spec((4, 3)))
    file = File(path)
    for x in X:
        file.run(x)
        theirs.step(torch.tensor(x))
        assert float(file.feeds["scaler.scale"]) == theirs.scaler.get_scale()


def test_dicts_go_to_and_from_pytorch() -> None:
    ours, theirs = Run(ng, "SGD"), Run(torch, "SGD")
    for x in X[:5]:
        theirs.step(torch.tensor(x))
    ours.scaler.load_state_dict(theirs.scaler.state_dict())
    assert ours.scaler.state_dict() == theirs.scaler.state_dict()
    with pytest.raises(KeyError):
        ours.scaler.load_state_dict({"scale": 2.0})
    assert ours.scaler.state_dict() == theirs.scaler.state_dict()


def test_a_scaler_that_is_off() -> None:
    ours, theirs = (Run(f, "SGD", enabled=False) for f in (ng, torch))
    run = ng.compile(ours.step, backend="reference")
    for x in X[:4]:
        run(ng.tensor(x))
        theirs.step(torch.tensor(x))
        same(ours, theirs)
    assert ours.scaler.state_dict() == {} and ours.scaler.get_scale() == 1.0


def test_the_factor_can_be_set_and_read() -> None:
    for framework in (ng, torch):
        run = Run(framework, "SGD")
        run.step(framework.tensor(X[0]))
        run.scaler.scale(framework.ones(1))
        run.scaler.update(8.0)
        assert run.scaler.get_scale() == 8.0
        run.scaler.update(framework.tensor(4.0))
        assert run.scaler.get_scale() == 4.0
        run.scaler.set_growth_interval(1)
        run.scaler.set_growth_factor(3.0)
        run.step(framework.tensor(X[0] * 0))
        assert run.scaler.get_scale() == 12.0
        scaled = run.scaler.scale([framework.ones(1), (framework.ones(2),)])
        assert float(scaled[0]) == 12.0 and isinstance(scaled[1], tuple)


ERRORS = [
    ("s.step(o)", AssertionError),
    ("s.unscale_(o)", AssertionError),
    ("s.update()", AssertionError),
    ("(s.scale(x), s.update())", AssertionError),
    ("(s.scale(x), s.step(o))", AssertionError),
    ("s.scale(3)", ValueError),
    ("(back(), s.unscale_(o), s.unscale_(o))", RuntimeError),
    ("(back(), s.step(o), s.step(o))", RuntimeError),
    ("(back(), s.step(o), s.unscale_(o))", RuntimeError),
    ("(back(), s.step(o, closure=back))", RuntimeError),
    ("s.load_state_dict({})", RuntimeError),
    ("f.amp.GradScaler('cpu', growth_factor=1.0)", AssertionError),
    ("f.amp.GradScaler('cpu', backoff_factor=1.0)", AssertionError),
    ("(s.scale(x), s.update(f.ones(2)))", AssertionError),
    ("(s.scale((h * 2).sum()).backward(), s.unscale_(f.optim.SGD([h], lr=0.1)))", ValueError),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
def test_errors_are_of_pytorchs_kinds(code: str, kind: type[Exception]) -> None:
    for framework in (torch, ng):
        run = Run(framework, "SGD")

        def back(run: Run = run) -> None:
            run.scaler.scale(sum(p.sum() for p in run.params)).backward()

        half = framework.nn.Parameter(framework.ones(2).half())
        names = {"s": run.scaler, "o": run.optimizer, "x": framework.ones(1), "back": back}
        with pytest.raises(kind):
            eval(code, {"f": framework, "h": half}, names)


def test_two_optimizers_are_left_out_apart() -> None:
    def made(framework: Any) -> tuple[Any, Any, Any]:
        params = [framework.nn.Parameter(framework.ones(2)) for _ in range(2)]
        optimizers = [framework.optim.SGD([p], lr=0.5) for p in params]
        scaler = framework.amp.GradScaler("cpu", init_scale=4.0)

        def step(x: Any) -> None:
            for p, optimizer in zip(params, optimizers, strict=True):
                optimizer.zero_grad()
                scaler.scale((p * x[len(optimizer.param_groups[0]["params"]) - 1]).sum()).backward()
            params[1].grad.mul_(x[1])
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()

        return params, scaler, step

    (ours, a, step), (theirs, b, wanted) = made(ng), made(torch)
    run = ng.compile(step, backend="reference")
    for x in ([1.0, 1.0], [2.0, float("inf")], [1.0, 0.5]):
        run(ng.tensor(x))
        wanted(torch.tensor(x))
        assert a.get_scale() == b.get_scale()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_numbers_of_pythons_cannot_be_left_out() -> None:
    class Counts(ng.optim.SGD):
        def step(self, closure: Any = None) -> None:
            self.defaults["count"] = self.defaults.get("count", 0) + 1
            super().step()

    run = Run(ng, "SGD")
    run.optimizer = Counts(run.params, lr=0.1)
    step = ng.compile(run.step, backend="reference")
    with pytest.raises(ng.TraceError, match=r"may leave out changes .*count"):
        step(ng.tensor(X[0]))
    assert "count" not in run.optimizer.defaults
    run.optimizer = ng.optim.SGD(run.params, lr=0.1, momentum=0.9, dampening=0.5)
    with pytest.raises(ng.TraceError, match="dampen"):
        ng.compile(run.step, backend="reference")(ng.tensor(X[0]))

"""Averages of weights, as PyTorch's, in eager code and inside compiled steps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 6, 3))
Y = X.sum(2, keepdims=True)
STEPS = 5


def halves(average: Any, weight: Any, count: Any) -> Any:
    return 0.5 * average + 0.5 * weight + 0.0 * count


#: Options of the averaged model, of the module ``swa_utils``.
KINDS: dict[str, Any] = {
    "mean": lambda u: {},
    "mean with buffers": lambda u: {"use_buffers": True},
    "ema": lambda u: {"avg_fn": u.get_ema_avg_fn(0.9)},
    "mean by function": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "ema of all": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "mean of all": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
    "own": lambda u: {"avg_fn": halves},
}


class Run:
    """A model with statistics, an optimizer, an average, and a step, in either framework."""

    def __init__(self, framework: Any, kind: str = "mean", dtype: str = "float64") -> None:
        nn = framework.nn
        self.framework, self.dtype = framework, getattr(framework, dtype)
        self.utils = framework.optim.swa_utils
        self.model = nn.Sequential(
            nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)
        ).to(self.dtype)
        weights = np.random.default_rng(1)
        with framework.no_grad():
            for p in self.model.parameters():
                p.copy_(self.tensor(weights.standard_normal(tuple(p.shape))))
        self.optimizer = framework.optim.SGD(self.model.parameters(), lr=0.05)
        self.average = self.utils.AveragedModel(self.model, **KINDS[kind](self.utils))

    def tensor(self, array: Any) -> Any:
        return self.framework.tensor(array).to(self.dtype)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = ((self.model(x) - y) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return loss

    def arrays(self) -> dict[str, np.ndarray]:
        held = self.average.state_dict()
        return {k: np.array(v.detach().numpy()) for k, v in held.items()}


def same(found: Run, wanted: Run, rtol: float = 1e-9) -> None:
    a, b = found.arrays(), wanted.arrays()
    assert list(a) == list(b)
    for name, value in b.items():
        assert a[name].dtype == value.dtype, name
        np.testing.assert_allclose(a[name], value, rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("kind", KINDS)
def test_the_average_of_each_step_is_pytorchs(kind: str, backend: str) -> None:
    ours, theirs = Run(ng, kind), Run(torch, kind)
    step = ours.step if backend == "eager" else ng.compile(ours.step, backend=backend)
    for x, y in zip(X[:STEPS], Y, strict=False):
        found = step(ours.tensor(x), ours.tensor(y))
        wanted = theirs.step(theirs.tensor(x), theirs.tensor(y))
        assert float(found.detach()) == pytest.approx(wanted.item(), rel=1e-9)
        same(ours, theirs)
    if backend != "eager":
        assert step.explain().count("\ntrace ") == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["mean", "ema of all"])
def test_an_average_goes_on_from_pytorchs(kind: str) -> None:
    ours, theirs = Run(ng, kind), Run(torch, kind)
    for x, y in zip(X[:3], Y, strict=False):
        theirs.step(theirs.tensor(x), theirs.tensor(y))
    ours.average.load_state_dict({k: ng.tensor(v) for k, v in theirs.arrays().items()})
    ours.model.load_state_dict(
        {k: ng.tensor(v.numpy()) for k, v in theirs.model.state_dict().items()}
    )
    for x, y in zip(X[3:6], Y[3:], strict=False):
        for run in (ours, theirs):
            run.step(run.tensor(x), run.tensor(y))
    same(ours, theirs)


def loop(run: Run, compiled: bool) -> Any:
    """PyTorch's own example of the use of its module, with a loop of fewer epochs."""
    utils, framework, model = run.utils, run.framework, run.model
    loader = [(run.tensor(x), run.tensor(y)) for x, y in zip(X, Y, strict=True)]
    swa_model = utils.AveragedModel(model)
    scheduler = framework.optim.lr_scheduler.CosineAnnealingLR(run.optimizer, T_max=8)
    swa_start = 3
    swa_scheduler = utils.SWALR(run.optimizer, swa_lr=0.02, anneal_epochs=2)

    def train(input: Any, target: Any) -> Any:
        run.optimizer.zero_grad()
        loss = framework.nn.functional.mse_loss(model(input), target)
        loss.backward()
        run.optimizer.step()
        return loss

    step = ng.compile(train, backend="reference") if compiled else train
    for epoch in range(8):
        for input, target in loader:
            step(input, target)
        if epoch > swa_start:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        else:
            scheduler.step()
    utils.update_bn(loader, swa_model)
    swa_model.eval()
    return swa_model(loader[0][0]).detach().numpy(), swa_model


@pytest.mark.parametrize("compiled", [False, True])
def test_pytorchs_documented_loop(compiled: bool) -> None:
    (found, ours), (wanted, theirs) = loop(Run(ng), compiled), loop(Run(torch), False)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    for (name, a), (_, b) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, err_msg=name)


def test_half_precision_rounds_as_pytorch() -> None:
    ours, theirs = Run(ng, "ema", "bfloat16"), Run(torch, "ema", "bfloat16")
    for run in (ours, theirs):
        with run.framework.no_grad():
            for n in range(3):
                for p in run.model.parameters():
                    p.copy_(p * 0.7 + 0.1 * n)
                run.average.update_parameters(run.model)
    for a, b in zip(ours.average.parameters(), theirs.average.parameters(), strict=True):
        np.testing.assert_array_equal(a.float().detach().numpy(), b.float().detach().numpy())


def test_update_bn_leaves_modes_and_momenta() -> None:
    for framework in (ng, torch):
        run = Run(framework)
        run.model.eval()
        before = copy.deepcopy([m.momentum for m in run.model.modules() if hasattr(m, "momentum")])
        run.utils.update_bn([run.tensor(X[0]), (run.tensor(X[1]), 0)], run.model)
        assert not run.model.training
        after = [m.momentum for m in run.model.modules() if hasattr(m, "momentum")]
        assert after == before
        assert int(run.model[1].num_batches_tracked) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("u.get_ema_avg_fn(1.5)", ValueError),
        ("u.get_ema_multi_avg_fn(-0.1)", ValueError),
        ("u.AveragedModel(m, avg_fn=len, multi_avg_fn=len)", AssertionError),
        ("u.SWALR(o, [0.1, 0.2])", ValueError),
        ("u.SWALR(o, 0.1, anneal_strategy='up')", ValueError),
        ("u.SWALR(o, 0.1, anneal_epochs=-1)", ValueError),
        ("u.SWALR(o, 0.1, anneal_epochs=1.5)", ValueError),
        ("u.SWALR(m, 0.1)", (TypeError, AttributeError)),
    ],
)
def test_errors_are_of_pytorchs_kinds(code: str, kind: Any) -> None:
    for framework in (torch, ng):
        run = Run(framework)
        with pytest.raises(kind):
            eval(code, {"u": run.utils, "m": run.model, "o": run.optimizer})

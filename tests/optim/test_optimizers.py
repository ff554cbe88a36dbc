"""Optimizers against PyTorch's: trajectories, dicts, errors; eager and compiled."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn, optim
from tests.support import conditioning
from tests.support.conditioning import Shake, require_insensitive, still

STEPS = 20
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("Adam", {}),
    ("Adam", {"lr": 0.03, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.03, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.03, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.03}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.0}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.3, "amsgrad": True, "foreach": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "weight_decay": 0.1, "centered": True}),
    ("RMSprop", {"momentum": 0.9, "maximize": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "eps": 1e-4}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-4, 1e-2), "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.02, "d": 2.0, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
]
NAMES = [f"{n}({', '.join(f'{k}={v}' for k, v in o.items())})" for n, o in CASES]
START = [np.random.default_rng(1).standard_normal(s) for s in ((3, 4), (4,), ())]
X = np.random.default_rng(2).standard_normal((STEPS, 5, 3))


class Run:
    """Parameters of a small model, its optimizer, and one training step, in either framework."""

    def __init__(
        self, framework: Any, name: str, options: dict[str, Any], dtype: str = "float64"
    ) -> None:
        self.framework = framework
        self.params = [framework.nn.Parameter(framework.tensor(a.astype(dtype))) for a in START]
        self.optimizer = getattr(framework.optim, name)(self.params, **options)
        self.dtype = dtype

    def loss(self, x: Any) -> Any:
        w, b, scale = self.params
        return ((x @ w + b).tanh() * scale).square().mean() + (w * w).sum() * 0.01

    def step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(x)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(
        self, steps: int = STEPS, first: int = 0, compiled: bool = False, shake: Shake = still
    ) -> list[float]:
        call = ng.compile(self.step, backend="reference") if compiled else self.step
        losses = []
        for x in X[first : first + steps].astype(self.dtype):
            shake(self.params)
            losses.append(call(self.framework.tensor(x)).detach().numpy().item())
        return losses

    def arrays(self) -> list[np.ndarray]:
        return [np.array(p.detach().numpy()) for p in self.params]


def numbers(state: dict[str, Any]) -> dict[str, Any]:
    """A state dict with NumPy arrays."""
    inner = {
        k: {n: np.array(v.detach().numpy()) if hasattr(v, "numpy") else v for n, v in s.items()}
        for k, s in state["state"].items()
    }
    return {"state": inner, "param_groups": state["param_groups"]}


def same_state(ours: dict[str, Any], theirs: dict[str, Any], rtol: float) -> None:
    assert ours["param_groups"] == theirs["param_groups"]
    assert [list(g) for g in ours["param_groups"]] == [list(g) for g in theirs["param_groups"]]
    a, b = numbers(ours)["state"], numbers(theirs)["state"]
    assert list(a) == list(b)
    for key, values in b.items():
        assert list(a[key]) == list(values)
        for name, value in values.items():
            assert a[key][name].dtype == value.dtype, name
            np.testing.assert_allclose(a[key][name], value, rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_trajectories_are_pytorchs(name: str, options: dict[str, Any], compiled: bool) -> None:
    ours, theirs = Run(ng, name, options), Run(torch, name, options)
    assert repr(ours.optimizer) == repr(theirs.optimizer)
    same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), 0.0)
    found, wanted = ours.run(compiled=compiled), theirs.run()
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), 1e-9)


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_float32_trajectories_are_pytorchs(name: str, options: dict[str, Any]) -> None:
    def train(dtype: str, shake: Shake) -> conditioning.Run:
        run = Run(torch, name, options, dtype)
        losses = run.run(shake=shake)
        return conditioning.Run(losses, {str(i): a for i, a in enumerate(run.arrays())})

    wanted = require_insensitive(name, train, "float32", (2e-5, 2e-5))
    ours = Run(ng, name, options, "float32")
    np.testing.assert_allclose(ours.run(compiled=True), wanted.losses, rtol=2e-5)
    for a, b in zip(ours.arrays(), wanted.arrays.values(), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_state_of_pytorchs_optimizers_loads(
    name: str, options: dict[str, Any], compiled: bool
) -> None:
    theirs = Run(torch, name, options)
    theirs.run(7)
    ours = Run(ng, name, options)
    for param, array in zip(ours.params, theirs.arrays(), strict=True):
        with ng.no_grad():
            param.copy_(ng.tensor(array))
    ours.optimizer.load_state_dict(numbers(theirs.optimizer.state_dict()))
    same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), 0.0)
    np.testing.assert_allclose(ours.run(6, 7, compiled), theirs.run(6, 7), rtol=1e-10)


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_state_loads_between_compiled_calls(name: str, options: dict[str, Any]) -> None:
    ours, theirs = Run(ng, name, options), Run(torch, name, options)
    step = ng.compile(ours.step, backend="reference")
    saved = copy.deepcopy(ours.optimizer.state_dict())
    kept = copy.deepcopy(theirs.optimizer.state_dict())
    for i, x in enumerate(X[:9]):
        if i == 3:
            saved = copy.deepcopy(ours.optimizer.state_dict())
            kept = copy.deepcopy(theirs.optimizer.state_dict())
        if i == 6:
            ours.optimizer.load_state_dict(saved)
            theirs.optimizer.load_state_dict(kept)
        loss = float(step(ng.tensor(x)))
        assert loss == pytest.approx(theirs.step(torch.tensor(x)).item(), rel=1e-10)
    assert step.explain().count("\ntrace ") == (2 if options.get("dampening") else 1)


def test_a_scheduled_rate_and_other_numbers_need_no_new_trace() -> None:
    ours, theirs = (Run(f, "AdamW", {"lr": 0.1}) for f in (ng, torch))
    step = ng.compile(ours.step, backend="reference")
    schedules = [r.framework.optim.lr_scheduler.StepLR(r.optimizer, 2, 0.5) for r in (ours, theirs)]
    for i, x in enumerate(X[:8]):
        if i == 5:
            for run in (ours, theirs):
                run.optimizer.param_groups[0].update(betas=(0.5, 0.8), eps=1e-4, weight_decay=0.5)
        loss = float(step(ng.tensor(x)))
        assert loss == pytest.approx(theirs.step(torch.tensor(x)).item(), rel=1e-10)
        for schedule in schedules:
            schedule.step()
    assert "trace 2" not in step.explain()
    assert {"beta1", "beta2", "lr", "eps", "weight_decay"} <= set(step.graph.scalars)


@pytest.mark.parametrize("option", ["maximize", "amsgrad"])
def test_an_option_that_shapes_the_update_traces_anew(option: str) -> None:
    ours, theirs = (Run(f, "Adam", {}) for f in (ng, torch))
    step = ng.compile(ours.step, backend="reference")
    for i, x in enumerate(X[:4]):
        if i == 2 and option == "maximize":
            ours.optimizer.param_groups[0][option] = theirs.optimizer.param_groups[0][option] = True
        loss = float(step(ng.tensor(x)))
        assert loss == pytest.approx(theirs.step(torch.tensor(x)).item(), rel=1e-10)
    if option == "amsgrad":
        ours.optimizer.param_groups[0][option] = True
        step(ng.tensor(X[4]))
        assert "max_exp_avg_sq" in ours.optimizer.state[ours.params[0]]
    assert "trace 2" in step.explain() and option in step.explain()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_groups_have_their_own_numbers(compiled: bool) -> None:
    def make(framework: Any) -> Run:
        run = Run(framework, "Adam", {})
        w, b, s = run.params
        run.optimizer = framework.optim.Adam(
            [{"params": [w], "lr": 0.1}, {"params": b, "betas": (0.5, 0.6)}], lr=0.01
        )
        run.optimizer.add_param_group({"params": [s], "weight_decay": 0.1})
        return run

    ours, theirs = make(ng), make(torch)
    np.testing.assert_allclose(ours.run(compiled=compiled), theirs.run(), rtol=1e-10)
    same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), 1e-9)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_parameters_without_gradients_are_left_alone(compiled: bool) -> None:
    """Their counts of steps fall behind, though they start as one tensor."""

    def train(framework: Any) -> Run:
        run = Run(framework, "Adam", {"lr": 0.1})
        w = run.params[0]

        def part(x: Any) -> Any:
            run.optimizer.zero_grad()
            loss = (x @ w).square().mean()
            loss.backward()
            run.optimizer.step()
            return loss

        def both(x: Any) -> Any:
            run.step(x)
            return part(x)

        steps = [run.step, part, part, both, both, run.step, both]
        if compiled and framework is ng:
            known = {f: ng.compile(f, backend="reference") for f in (run.step, part, both)}
            steps = [known[f] for f in steps]
        for x, step in zip(X, steps, strict=False):
            step(framework.tensor(x))
        return run

    ours, theirs = train(ng), train(torch)
    same_state(ours.optimizer.state_dict(), theirs.optimizer.state_dict(), 1e-9)
    for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_steps_that_agree_are_one_state() -> None:
    run = Run(ng, "AdamW", {})
    run.run(2)
    step = ng.compile(run.step, backend="reference")
    step(ng.tensor(X[2]))
    names = [s.name for s in step.graph.states]
    assert names.count("optimizer.step") == 1 and not any("step_" in n for n in names)
    assert sum(n.startswith("optimizer.exp_avg.") for n in names) == 3


def test_states_are_named_after_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    optimizer = optim.Adam(model.parameters())

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    names = [s.name for s in ng.trace(step, ng.ones(4, 2)).states]
    assert "optimizer.exp_avg.0.weight" in names and "optimizer.exp_avg_sq.1.bias" in names
    assert not optimizer.state_dict()["state"] or ng.trace(step, ng.ones(4, 2))


def test_a_failed_trace_leaves_no_state() -> None:
    run = Run(ng, "Adam", {})

    def step(x: Any) -> Any:
        loss = run.step(x)
        return loss if loss > 0 else None

    with pytest.raises(RuntimeError, match="needs the value"):
        ng.compile(step, backend="reference")(ng.tensor(X[0]))
    assert run.optimizer.state_dict()["state"] == {}
    assert all(p.grad is None for p in run.params)


def test_a_closure_gives_the_loss() -> None:
    run = Run(ng, "SGD", {"lr": 0.1})

    def closure() -> Any:
        run.optimizer.zero_grad()
        loss = run.loss(ng.tensor(X[0]))
        loss.backward()
        return loss

    first = float(run.optimizer.step(closure))
    assert float(run.optimizer.step(closure)) < first


def test_hooks_run_around_steps_and_dicts() -> None:
    run, seen = Run(ng, "SGD", {"lr": 0.1}), []
    o = run.optimizer
    o.register_step_pre_hook(lambda opt, args, kwargs: seen.append("before"))
    handle = o.register_step_post_hook(lambda opt, args, kwargs: seen.append("after"))
    o.register_state_dict_post_hook(lambda opt, state: state | {"more": 1})
    o.register_load_state_dict_pre_hook(lambda opt, state: seen.append(state["more"]))
    o.register_load_state_dict_post_hook(lambda opt: seen.append("loaded"))
    o.step()
    handle.remove()
    o.step()
    o.load_state_dict(o.state_dict())
    assert seen == ["before", "after", "before", 1, "loaded"]


def test_optimizers_of_users() -> None:
    class Halve(optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"factor": 0.5})

        @ng.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(group["factor"])

    p = nn.Parameter(ng.ones(2))
    optimizer = Halve([p])
    ng.compile(lambda: optimizer.step(), backend="reference")()
    optimizer.step()
    np.testing.assert_array_equal(p.detach().numpy(), [0.25, 0.25])


P = "f.nn.Parameter(f.ones(2))"
ERRORS = [
    ("f.optim.SGD([], lr=0.1)", ValueError),
    ("f.optim.SGD(f.ones(2), lr=0.1)", TypeError),
    ("f.optim.SGD([3], lr=0.1)", TypeError),
    (f"f.optim.SGD([{P} * 2], lr=0.1)", ValueError),
    (f"f.optim.SGD([{P}], lr=-0.1)", ValueError),
    (f"f.optim.SGD([{P}], lr=0.1, momentum=-1)", ValueError),
    (f"f.optim.SGD([{P}], lr=f.tensor([0.1, 0.2]))", ValueError),
    (f"f.optim.Adam([{P}], lr=f.tensor([0.1, 0.2]))", ValueError),
    (f"f.optim.AdamW([{P}], lr=f.tensor([0.1, 0.2]))", ValueError),
    (f"f.optim.RMSprop([{P}], lr=f.ones(2))", ValueError),
    (f"f.optim.Adagrad([{P}], lr=f.ones(0))", ValueError),
    (f"f.optim.SGD([{P}], lr=0.1, nesterov=True)", ValueError),
    (f"f.optim.Adam([{P}], betas=(1.0, 0.9))", ValueError),
    (f"f.optim.Adam([{P}], eps=-1)", ValueError),
    (f"f.optim.AdamW([{P}], weight_decay=-1)", ValueError),
    (f"f.optim.RMSprop([{P}], alpha=-1)", ValueError),
    (f"f.optim.Adagrad([{P}], lr_decay=-1)", ValueError),
    (f"f.optim.SGD([{P}], lr=0.1).add_param_group(3)", TypeError),
    (f"f.optim.SGD([{P}], lr=0.1).add_param_group({{'params': {{{P}}}}})", TypeError),
    (f"f.optim.SGD([('a', {P}), {P}], lr=0.1)", ValueError),
    (f"(lambda p: f.optim.SGD([{{'params': [p]}}, {{'params': [p]}}], lr=0.1))({P})", ValueError),
    (
        f"f.optim.SGD([{P}], lr=0.1).load_state_dict({{'state': {{}}, 'param_groups': []}})",
        ValueError,
    ),
    (
        f"f.optim.SGD([{P}], lr=0.1).load_state_dict("
        "{'state': {}, 'param_groups': [{'params': [0, 1]}]})",
        ValueError,
    ),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
def test_errors_are_of_pytorchs_kinds(code: str, kind: type[Exception]) -> None:
    for framework in (torch, ng):
        with pytest.raises(kind):
            eval(code, {"f": framework})


def test_named_parameters() -> None:
    for framework in (torch, ng):
        model = framework.nn.Linear(2, 1)
        state = framework.optim.SGD(model.named_parameters(), lr=0.1).state_dict()
        assert state["param_groups"][0]["param_names"] == ["weight", "bias"]

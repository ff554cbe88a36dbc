"""L-BFGS: PyTorch's iterates, evaluations and state, with and without a line search."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng

rng = np.random.default_rng(0)
A = rng.standard_normal((12, 4))
B = rng.standard_normal(12)


def rosenbrock(f: Any, p: Any) -> Any:
    x = p[0]
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def logistic(f: Any, p: Any) -> Any:
    a, b = f.tensor(A), f.tensor((B > 0).astype(np.float64))
    loss = f.nn.functional.binary_cross_entropy_with_logits(a @ p[0] + p[1], b)
    return loss + 0.01 * (p[0] ** 2).sum()


def network(f: Any, p: Any) -> Any:
    hidden = (f.tensor(A) @ p[0]).tanh()
    return ((hidden @ p[1] - f.tensor(B)) ** 2).mean()


def valley(f: Any, p: Any) -> Any:
    """Steep, so that the first step goes far beyond the minimum."""
    return (p[0] ** 4).sum() * 50 + (p[0] - 1).square().sum()


PROBLEMS: dict[str, tuple[Any, list[np.ndarray]]] = {
    "rosenbrock": (rosenbrock, [np.array([-1.2, 1.0, 0.5])]),
    "logistic": (logistic, [np.zeros(4), np.array(0.5)]),
    "network": (network, [rng.standard_normal((4, 3)) * 0.5, rng.standard_normal(3)]),
    "valley": (valley, [np.array([3.0, -2.0])]),
}
OPTIONS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.05, "max_iter": 5, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"lr": 0.3, "line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "max_iter": 7, "max_eval": 9},
]


class Run:
    def __init__(self, framework: Any, problem: str, options: dict[str, Any]) -> None:
        loss, start = PROBLEMS[problem]
        self.params = [framework.nn.Parameter(framework.tensor(a)) for a in start]
        self.optimizer = framework.optim.LBFGS(self.params, **options)
        self.calls = 0

        def closure() -> Any:
            self.optimizer.zero_grad()
            value = loss(framework, self.params)
            value.backward()
            return value

        self.closure = closure

    def arrays(self) -> list[np.ndarray]:
        return [p.detach().numpy() for p in self.params]

    def numbers(self) -> dict[str, Any]:
        state = self.optimizer.state_dict()["state"].get(0, {})
        return {k: flat(v) for k, v in state.items()}


def flat(value: Any) -> Any:
    if isinstance(value, list):
        return [flat(v) for v in value]
    return value if value is None else np.asarray(value, np.float64)


@pytest.mark.parametrize("compiled", [False, True], ids=["as it is", "compiled"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_steps_are_pytorchs(problem: str, options: dict[str, Any], compiled: bool) -> None:
    ours, theirs = Run(ng, problem, options), Run(torch, problem, options)
    for step in range(8):
        closure = ours.closure if compiled else lambda: ours.closure()  # another each time
        found, wanted = ours.optimizer.step(closure), theirs.optimizer.step(theirs.closure)
        np.testing.assert_allclose(
            found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-8
        )
        for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        state, kept = (r.optimizer.state_dict()["state"][0] for r in (ours, theirs))
        if step < 3:
            assert {k: state[k] for k in ("func_evals", "n_iter")} == {
                k: kept[k] for k in ("func_evals", "n_iter")
            }
    assert sorted(state) == sorted(kept)
    assert len(state["old_dirs"]) == len(kept["old_dirs"])


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_a_state_of_pytorchs_goes_on(search: str | None) -> None:
    options = {"lr": 0.1, "max_iter": 3, "line_search_fn": search}
    theirs, ours = Run(torch, "network", options), Run(ng, "network", options)
    for _ in range(3):
        theirs.optimizer.step(theirs.closure)
    packed = theirs.optimizer.state_dict()
    with ng.no_grad():
        for p, array in zip(ours.params, theirs.arrays(), strict=True):
            p.copy_(ng.tensor(array))
    ours.optimizer.load_state_dict(
        {"state": {0: converted(packed["state"][0])}} | {"param_groups": packed["param_groups"]}
    )
    for run in (ours, theirs):
        run.optimizer.step(run.closure)
    for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)


def converted(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return ng.tensor(value.numpy())
    if isinstance(value, dict):
        return {k: converted(v) for k, v in value.items()}
    return [converted(v) for v in value] if isinstance(value, list) else value


def test_a_closure_that_cannot_be_traced_runs_as_it_is() -> None:
    run = Run(ng, "valley", {"line_search_fn": "strong_wolfe"})
    seen: list[float] = []

    def closure() -> Any:
        loss = run.closure()
        seen.append(float(loss.detach()))
        return loss

    first = float(run.optimizer.step(closure).detach())
    assert seen[0] == first and len(seen) > 3 and min(seen) < first


def test_a_closure_is_compiled_once() -> None:
    run = Run(ng, "network", {"line_search_fn": "strong_wolfe"})
    run.optimizer.step(run.closure)
    compiled = run.optimizer._compiled[1]
    run.optimizer.step(run.closure)
    assert run.optimizer._compiled[1] is compiled
    assert compiled.explain().count("\ntrace ") <= 2


def test_a_frozen_parameter_has_a_gradient_of_zeros() -> None:
    found = []
    for framework in (ng, torch):
        p, q = (framework.nn.Parameter(framework.tensor([1.0, 2.0])) for _ in range(2))
        optimizer = framework.optim.LBFGS([p, q], lr=0.5)

        def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (p**4).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append([p.detach().numpy(), q.detach().numpy()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


ERRORS = [
    ("f.optim.LBFGS([p], lr=-1)", ValueError),
    ("f.optim.LBFGS([p], lr=f.ones(2))", ValueError),
    ("f.optim.LBFGS([{'params': [p]}, {'params': [q]}])", ValueError),
    ("f.optim.LBFGS([p]).step()", TypeError),
    ("f.optim.LBFGS([p], line_search_fn='up').step(c)", RuntimeError),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
def test_errors_are_of_pytorchs_kinds(code: str, kind: type[Exception]) -> None:
    for framework in (torch, ng):
        p, q = (framework.nn.Parameter(framework.ones(2)) for _ in range(2))

        def closure(p: Any = p) -> Any:
            loss = (p**2).sum()
            loss.backward()
            return loss

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(kind):
                eval(code, {"f": framework, "p": p, "q": q, "c": closure})


def test_inside_a_compiled_function_it_says_what_to_write() -> None:
    run = Run(ng, "valley", {})
    with pytest.raises(ng.TraceError, match=r"Call optimizer.step\(closure\) outside"):
        ng.compile(lambda: run.optimizer.step(run.closure), backend="reference")()
    np.testing.assert_array_equal(run.arrays()[0], [3.0, -2.0])


def test_a_gradient_of_zero_that_shall_not_stop_it() -> None:
    for framework in (torch, ng):
        p = framework.nn.Parameter(framework.zeros(2))
        optimizer = framework.optim.LBFGS([p], tolerance_grad=-1.0, tolerance_change=-1.0)

        def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (p**2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        np.testing.assert_array_equal(p.detach().numpy(), [0.0, 0.0])

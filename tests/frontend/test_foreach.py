"""``ng._foreach_*``: PyTorch's functions on lists of tensors, and an optimizer of these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.foreach import FOREACH
from tests.support.backends import BACKENDS

rng = np.random.default_rng(0)
ARRAYS = [rng.uniform(0.1, 0.9, shape).astype("f4") for shape in ((2, 3), (4,), ())]
CALLS = {
    "add": ["a, b", "a, 2.0", "a, b, alpha=3", "a, [1.0, 2.0, 3.0]", "a, t"],
    "sub": ["a, b", "a, 2.0", "a, b, alpha=0.5"],
    "mul": ["a, b", "a, 2.0", "a, [1.0, 2.0, 3.0]", "a, t"],
    "div": ["a, b", "a, 2.0", "a, [1.0, 2.0, 3.0]"],
    "pow": ["a, b", "a, 2.0", "a, [1.0, 2.0, 3.0]"],
    "lerp": ["a, b, 0.3", "a, b, a", "a, b, [0.1, 0.7, 0.5]"],
    "addcmul": ["a, b, a", "a, b, a, 2.0", "a, b, a, value=0.5", "a, b, a, [1.0, 2.0, 3.0]"],
    "addcdiv": ["a, b, a", "a, b, a, 2.0", "a, b, a, value=0.5", "a, b, a, [1.0, 2.0, 3.0]"],
    "clamp_max": ["a, b", "a, 0.5"],
    "clamp_min": ["a, b", "a, 0.5"],
    "maximum": ["a, b", "a, 0.5"],
    "minimum": ["a, b", "a, 0.5"],
    "copy_": ["a, b"],
    "norm": ["a", "a, 1", "a, ord=math.inf"],
    "mm": ["[a[0]], [b[0].T]"],
}
NAMES = [name.removeprefix("_foreach_") for name in FOREACH if hasattr(torch, name)]
MISSING = {"_foreach_lgamma", "_foreach_lgamma_", "_foreach_powsum"}


def ran(framework: Any, name: str, call: str) -> list[Any]:
    a, b = ([framework.tensor(x * k) for x in ARRAYS] for k in (1.0, 0.7))
    names = {"a": a, "b": b, "t": framework.tensor(1.5), "math": math}
    made = list(eval(f"f._foreach_{name}({call})", {"f": framework}, names))
    assert all(x is y for x, y in zip(made, a, strict=False)) is name.endswith("_")
    return [t.numpy() for t in made]


@pytest.mark.parametrize("name", NAMES)
def test_values_are_pytorchs(name: str) -> None:
    for call in CALLS.get(name, CALLS.get(name.removesuffix("_"), ["a"])):
        for found, wanted in zip(ran(ng, name, call), ran(torch, name, call), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-6, err_msg=call)


def test_those_of_pytorch_are_there() -> None:
    theirs = {name for name in dir(torch) if name.startswith("_foreach_")}
    assert {name for name in theirs if not hasattr(ng, name)} == MISSING


@pytest.mark.parametrize(
    "code", ["f._foreach_add([], 1)", "f._foreach_add([x, x], [x])", "f._foreach_mul_([i], 0.5)"]
)
def test_errors_are_pytorchs(code: str) -> None:
    for framework in (torch, ng):
        given = {"x": framework.ones(2), "i": framework.ones(2, dtype=framework.int64)}
        with pytest.raises(RuntimeError):
            eval(code, {"f": framework}, given)


def own_adam(framework: Any) -> Any:
    """An optimizer as PyTorch's users write one, with lists and numbers of Python's."""

    class Own(framework.optim.Optimizer):  # type: ignore[misc, name-defined]
        def __init__(self, params: Any, lr: float = 0.05) -> None:
            super().__init__(params, {"lr": lr, "betas": (0.9, 0.99), "eps": 1e-8})

        def step(self, closure: Any = None) -> None:
            with framework.no_grad():
                for group in self.param_groups:
                    self.update(group)

        def update(self, group: Any) -> None:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            for p in params:
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["m"], state["v"] = framework.zeros_like(p), framework.zeros_like(p)
                state["step"] += 1
            m, v = ([self.state[p][k] for p in params] for k in ("m", "v"))
            beta1, beta2 = group["betas"]
            steps = [self.state[p]["step"] for p in params]
            framework._foreach_lerp_(m, grads, 1 - beta1)
            framework._foreach_mul_(v, beta2)
            framework._foreach_addcmul_(v, grads, grads, 1 - beta2)
            roots = framework._foreach_sqrt(v)
            framework._foreach_div_(roots, [math.sqrt(1 - beta2**n) for n in steps])
            framework._foreach_add_(roots, group["eps"])
            sizes = [-group["lr"] / (1 - beta1**n) for n in steps]
            framework._foreach_addcdiv_(params, m, roots, sizes)

    return Own


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_an_optimizer_of_ones_own(backend: str) -> None:
    def made(framework: Any) -> Any:
        params = [framework.nn.Parameter(framework.tensor(a.astype("f8"))) for a in ARRAYS[:2]]
        optimizer = own_adam(framework)(params)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = ((params[0] * x).tanh().sum() + (params[1] ** 2).sum()) ** 2
            loss.backward()
            optimizer.step()
            return loss

        return params, step

    (ours, step), (theirs, wanted) = made(ng), made(torch)
    run = step if backend == "eager" else ng.compile(step, backend=backend)
    for k in range(6):
        x = np.full((2, 3), 0.5 + 0.1 * k)
        found = run(ng.tensor(x))
        assert float(found.detach()) == pytest.approx(wanted(torch.tensor(x)).item(), rel=1e-9)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9)
    if backend != "eager":
        assert run.explain().count("\ntrace ") == 2  # the call that makes the state, and the others

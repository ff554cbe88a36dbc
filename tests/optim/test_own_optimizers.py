"""Optimizers that users wrote for PyTorch run as they are, eagerly and compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

STEPS = 7


def adam_of_a_user(f: Any, start: Any) -> Any:
    """Adam in the words of PyTorch's users; ``start()`` is the count of no steps."""

    class Own(f.optim.Optimizer):  # type: ignore[misc, name-defined]
        def __init__(self, params: Any, lr: float = 1e-2, amsgrad: bool = False) -> None:
            defaults = {"lr": lr, "betas": (0.9, 0.99), "eps": 1e-8}
            super().__init__(params, {**defaults, "weight_decay": 0.1, "amsgrad": amsgrad})

        @f.no_grad()
        def step(self, closure: Any = None) -> Any:
            loss = None
            if closure is not None:
                with f.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.update(p, p.grad, group)
            return loss

        def update(self, p: Any, grad: Any, group: Any) -> None:
            if grad.is_sparse or p.is_cuda or not p.is_cpu or p.dtype.is_complex:
                raise RuntimeError("no such tensors")
            state, (beta1, beta2) = self.state[p], group["betas"]
            if len(state) == 0:
                state["step"] = start()
                for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
                    state[name] = f.zeros_like(p, memory_format=f.preserve_format)
            exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
            state["step"] += 1
            if group["weight_decay"] != 0:
                grad = grad.add(p, alpha=group["weight_decay"])
            correction1 = 1 - beta1 ** state["step"]
            correction2 = 1 - beta2 ** state["step"]
            exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
            exp_avg_sq.mul_(beta2).addcmul_(grad, grad.conj(), value=1 - beta2)
            if group["amsgrad"]:
                f.maximum(state["max_exp_avg_sq"], exp_avg_sq, out=state["max_exp_avg_sq"])
                exp_avg_sq = state["max_exp_avg_sq"]
            root = correction2**0.5 if f.is_tensor(correction2) else math.sqrt(correction2)
            denominator = (exp_avg_sq.sqrt() / root).add_(group["eps"])
            p.addcdiv_(exp_avg, denominator, value=-(group["lr"] / correction1))

    return Own


COUNTS = {"numbers": lambda f: 0, "tensors": lambda f: f.tensor(0.0)}


class Run:
    def __init__(self, f: Any, count: str, amsgrad: bool) -> None:
        self.w = f.nn.Parameter(f.tensor(np.linspace(-1, 1, 12).reshape(3, 4)))
        self.v = f.nn.Parameter(f.tensor(np.ones(4)))
        own = adam_of_a_user(f, lambda: COUNTS[count](f))
        groups = [{"params": [self.w]}, {"params": [self.v], "lr": 0.02}]
        self.optimizer = own(groups, amsgrad=amsgrad)

    def step(self, x: Any) -> Any:
        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = ((x @ self.w).tanh() @ self.v).square().mean()
            loss.backward()
            return loss

        return self.optimizer.step(closure)


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("count", COUNTS)
def test_a_loop_over_groups(count: str, amsgrad: bool, backend: str) -> None:
    found, wanted = Run(ng, count, amsgrad), Run(torch, count, amsgrad)
    step = found.step if backend == "eager" else ng.compile(found.step, backend=backend)
    # A count that is a float32 tensor gives numbers of that precision.
    rtol = 1e-9 if count == "numbers" else 1e-5
    for at in range(STEPS):
        if at == 4:
            for run in (found, wanted):
                run.optimizer.param_groups[0].update(lr=0.1, betas=(0.8, 0.9))
        x = np.sin(np.arange(15.0) + at).reshape(5, 3)
        loss = float(step(ng.tensor(x)).detach())
        assert loss == pytest.approx(wanted.step(torch.tensor(x)).item(), rel=rtol)
        for a, b in ((found.w, wanted.w), (found.v, wanted.v)):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol)
    assert float(found.optimizer.state[found.w]["step"]) == STEPS
    if backend != "eager":  # the call that makes the state, and the others
        assert step.explain().count("\ntrace ") == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_a_rate_as_the_factor_of_16_bits(backend: str, dtype: str) -> None:
    """PyTorch rounds ``alpha`` to 16 bits, also where it is a number of a group or a tensor."""
    start, change = np.random.default_rng(0).standard_normal((2, 4000)).astype("float32")

    def updated(f: Any) -> np.ndarray:
        p = f.nn.Parameter(f.tensor(start).to(getattr(f, dtype)))
        p.grad = f.tensor(change).to(getattr(f, dtype))

        class Plain(f.optim.Optimizer):  # type: ignore[misc, name-defined]
            @f.no_grad()
            def step(self, closure: Any = None) -> None:
                for group in self.param_groups:
                    for p in group["params"]:
                        p.add_(p.grad, alpha=-group["lr"])
                        p.sub_(p.grad, alpha=f.tensor(0.3))

        optimizer = Plain([p], {"lr": 0.1})
        run = f is ng and backend != "eager"
        (ng.compile(optimizer.step, backend=backend) if run else optimizer.step)()
        values: np.ndarray = p.detach().float().numpy()
        return values

    # A fused multiply-add rounds once where others round twice.
    assert (updated(ng) != updated(torch)).mean() < 0.002


@pytest.mark.parametrize(
    "code",
    [
        "x.add(x, alpha=f.tensor([0.5]))",
        "x.sub(x, alpha=f.tensor(0.5, requires_grad=True))",
        "x.addcdiv(x, x, value=f.tensor([0.5, 1.0]))",
        "i.add(i, alpha=f.tensor(0.5))",
        "i.add(i, alpha=0.5)",
    ],
)
def test_factors_that_are_none(code: str) -> None:
    for f in (torch, ng):
        with pytest.raises((TypeError, RuntimeError)):
            eval(code, {"f": f, "x": f.ones(2), "i": f.ones(2, dtype=f.int64)})

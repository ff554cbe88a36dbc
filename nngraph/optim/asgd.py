"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import either, in_float32, scaled
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamGroup, ParamsT
from nngraph.optim.options import options

__all__ = ["ASGD"]


class ASGD(FormulaOptimizer):
    """Gradient descent with a falling rate, and the mean of the parameters from step ``t0`` on.

    ::

        g = grad + weight_decay * p
        p = (1 - lambd * eta) * p - eta * g
        ax = ax + mu * (p - ax)                     (ax = p as long as mu = 1)
        eta = lr / (1 + lambd * lr * t)^alpha
        mu = 1 / max(1, t - t0)

    The mean is ``state[p]["ax"]``; the update leaves ``p`` as it is.

    Raises:
        ValueError: for negative numbers.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.ASGD.html
    """

    scalars = frozenset({"eta", "mu"})

    @options()
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("eta", "mu", "ax")

    def initial(self, slot: str, group: ParamGroup) -> float:
        return float(group["lr"]) if slot == "eta" else float(slot == "mu")

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        late = step - n.t0
        return {
            "lambd": n.lambd,
            "eta": n.lr / (1 + n.lambd * n.lr * step) ** n.alpha,
            "mu": 1 / either(late > 1, lambda: late, lambda: 1.0),
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        eta, mu, mean = state["eta"], state["mu"], state["ax"]
        rate, part = world().count(eta), world().count(mu)
        param.mul_(s.cast(1 - s.exact["lambd"] * rate))
        param.copy_(wide(param) - scaled(grad, s.cast(rate)))
        mean.copy_(
            either(
                part == 1, lambda: param, lambda: wide(mean) + wide((param - mean) * s.cast(part))
            )
        )
        eta.copy_(in_float32(s.exact["eta"]))
        mu.copy_(in_float32(s.exact["mu"]))

"""Adamax."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import lerp_to
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import options

__all__ = ["Adamax"]


class Adamax(FormulaOptimizer):
    """Adam with the largest gradient of late in place of the root of the squares.

    ::

        g = grad + weight_decay * p
        m = m + (1 - beta1) * (g - m)
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1^t) * m / u

    Raises:
        ValueError: for numbers out of range.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, section 7;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html
    """

    @options()
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        numbers = {"rate1": 1 - beta1, "beta2": beta2, "eps": n.eps}
        return numbers | {"step_size": n.lr / (1 - beta1**step)}

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        m, u = state["exp_avg"], state["exp_inf"]
        lerp_to(m, wide(grad), s.rate1)
        u.copy_((u * s.beta2).maximum(grad.abs() + s.eps))
        param.copy_(wide(param) - wide(m) / wide(u) * s.step_size)

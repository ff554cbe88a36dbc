"""Adadelta."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import addcmul_to, scaled
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import at_least_zero, options

__all__ = ["Adadelta"]


class Adadelta(FormulaOptimizer):
    """Steps as long as the steps before, by the size of the gradients.

    ::

        g = grad + weight_decay * p
        v = rho * v + (1 - rho) * g^2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d^2
        p = p - lr * d

    Raises:
        ValueError: for numbers out of range.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
    """

    @options(
        order="lr rho eps weight_decay maximize capturable foreach differentiable",
        rho=at_least_zero("rho value", 1.0),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        return {"lr": n.lr, "rho": n.rho, "rate": 1 - n.rho, "eps": n.eps}

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        v, u = state["square_avg"], state["acc_delta"]
        addcmul_to(v, s.rho, wide(grad), s.rate)
        change = (u + s.eps).sqrt() / (v + s.eps).sqrt() * grad
        addcmul_to(u, s.rho, wide(change), s.rate)
        param.copy_(wide(param) - scaled(change, s.lr))

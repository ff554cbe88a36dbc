"""RMSprop."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import addcmul_to, lerp_to, scaled
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import at_least_zero, options

__all__ = ["RMSprop"]


class RMSprop(FormulaOptimizer):
    """Divides the gradient by a running average of its magnitude.

    ::

        g = grad + weight_decay * p
        v = alpha * v + (1 - alpha) * g^2
        a = a + (1 - alpha) * (g - a)               (if centered)
        d = sqrt(v) + eps                           (centered: sqrt(v - a^2) + eps)
        p = p - lr * g / d                          (momentum: b = momentum * b + g / d; p - lr * b)

    Raises:
        ValueError: for negative numbers.

    Source: Hinton's lectures, 2012;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    @options(
        order="lr momentum alpha eps centered weight_decay capturable foreach maximize "
        "differentiable",
        absent={"momentum": 0},
        momentum=at_least_zero("momentum value"),
        alpha=at_least_zero("alpha value"),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if n.has("momentum") else ()
        return ("square_avg", *momentum, *(("grad_avg",) if n.has("centered") else ()))

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        momentum = {"momentum": n.momentum} if n.has("momentum") else {}
        return {"lr": n.lr, "alpha": n.alpha, "rate": 1 - n.alpha, "eps": n.eps} | momentum

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        v, g = state["square_avg"], wide(grad)
        addcmul_to(v, s.alpha, g, s.rate)
        if n.has("centered"):
            mean = lerp_to(state["grad_avg"], g, s.rate)
            v = (wide(v) - wide(mean) * wide(mean)).to(v.dtype)
        change = g / wide(v.sqrt() + s.eps)
        if n.has("momentum"):
            buffer = state["momentum_buffer"]
            buffer.copy_(wide(buffer * s.momentum) + change)
            param.copy_(wide(param) - scaled(buffer, s.lr))
        else:
            param.copy_(wide(param) - change * s.lr)

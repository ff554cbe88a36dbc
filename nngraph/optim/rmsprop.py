"""RMSprop."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots, scaled
from nngraph.optim.optimizer import ParamsT

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

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        self._check_rate(lr)
        for value, what in (
            (lr, "learning rate"),
            (eps, "epsilon value"),
            (momentum, "momentum value"),
            (weight_decay, "weight_decay value"),
            (alpha, "alpha value"),
        ):
            if not value >= 0.0:
                raise ValueError(f"Invalid {what}: {value}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def slots(self, n: Numbers) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if n.has("momentum") else ()
        return ("square_avg", *momentum, *(("grad_avg",) if n.has("centered") else ()))

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        optional = {name: getattr(n, name) for name in ("weight_decay", "momentum") if n.has(name)}
        return {"lr": n.lr, "alpha": n.alpha, "rate": 1 - n.alpha, "eps": n.eps} | optional

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        if n.has("weight_decay"):
            grad = (wide(grad) + scaled(param, s.weight_decay)).to(grad.dtype)
        v, g = state["square_avg"], wide(grad)
        v.copy_(wide(v * s.alpha) + g * s.rate * g)
        if n.has("centered"):
            mean = state["grad_avg"]
            mean.copy_(wide(mean) + (g - wide(mean)) * s.rate)
            v = (wide(v) - wide(mean) * wide(mean)).to(v.dtype)
        change = g / wide(v.sqrt() + s.eps)
        if n.has("momentum"):
            buffer = state["momentum_buffer"]
            buffer.copy_(wide(buffer * s.momentum) + change)
            param.copy_(wide(param) - scaled(buffer, s.lr))
        else:
            param.copy_(wide(param) - change * s.lr)

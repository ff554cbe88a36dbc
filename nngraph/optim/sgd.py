"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import scaled
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import at_least_zero, options

__all__ = ["SGD"]


class SGD(FormulaOptimizer):
    """Gradient descent with momentum.

    ::

        g = grad + weight_decay * p
        b = momentum * b + (1 - dampening) * g      (b = g in the first step)
        p = p - lr * (g + momentum * b if nesterov else b)

    Without momentum the last line is ``p = p - lr * g``.

    Raises:
        ValueError: for negative numbers, and for Nesterov's momentum without momentum or with
            dampening.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    counts_steps: ClassVar[bool] = False
    takes_rows: ClassVar[bool] = True

    @options(momentum=at_least_zero("momentum value"))
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("momentum_buffer",) if n.has("momentum") else ()

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        numbers = {"lr": n.lr} | ({"momentum": n.momentum} if n.has("momentum") else {})
        return numbers | ({"gain": 1 - n.dampening} if n.has("dampening") else {})

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        if n.has("momentum"):
            buffer = state["momentum_buffer"]
            dampened = n.has("dampening") and not n.is_first(state, "does not dampen the momentum")
            new = scaled(grad, s.gain) if dampened else wide(grad)
            buffer.copy_(wide(buffer * s.momentum) + new)
            grad = wide(grad) + scaled(buffer, s.momentum) if n.has("nesterov") else buffer
            grad = grad.to(param.dtype)
        param.copy_(wide(param) - scaled(grad, s.lr))

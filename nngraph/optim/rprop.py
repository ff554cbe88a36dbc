"""Rprop."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamGroup, ParamsT
from nngraph.optim.options import options

__all__ = ["Rprop"]


class Rprop(FormulaOptimizer):
    """Steps of their own for each element, by the signs of its last two gradients.

    ::

        s = grad * prev
        d = clip(d * (eta+ if s > 0, eta- if s < 0, else 1), smallest, largest)
        g = 0 if s < 0 else grad
        p = p - sign(g) * d
        prev = g

    Raises:
        ValueError: for factors that do not lie around 1.

    Source: Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning",
    1993; https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html
    """

    @options(order="lr etas step_sizes foreach maximize differentiable capturable")
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("prev", "step_size")

    def initial(self, slot: str, group: ParamGroup) -> float:
        return float(group["lr"]) if slot == "step_size" else 0.0

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        (less, more), (smallest, largest) = n.etas, n.step_sizes
        return {"less": less, "more": more, "smallest": smallest, "largest": largest}

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        prev, size = state["prev"], state["step_size"]
        turn = (grad * prev).sign()
        factor = where(turn > 0, s.more, where(turn < 0, s.less, turn))
        factor = where(factor == 0, 1.0, factor)
        size.copy_((size * factor).clamp(s.smallest, s.largest))
        grad = where(turn < 0, 0.0, grad)
        param.copy_(wide(param) - wide(grad.sign()) * wide(size))
        prev.copy_(grad)

"""Adagrad."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.frontend.functional.creation import full_like
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float32
from nngraph.ops.composite import wide
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamGroup, ParamsT
from nngraph.optim.options import at_least_zero, options

__all__ = ["Adagrad"]


class Adagrad(FormulaOptimizer):
    """Divides the gradient by the root of the sum of its squares so far.

    ::

        g = grad + weight_decay * p
        s = s + g^2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Raises:
        ValueError: for negative numbers.

    Source: Duchi et al., "Adaptive Subgradient Methods", 2011;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    takes_rows: ClassVar[bool] = True

    @options(
        order="lr lr_decay eps weight_decay initial_accumulator_value foreach maximize "
        "differentiable fused",
        lr_decay=at_least_zero("lr_decay value"),
        initial_accumulator_value=at_least_zero("initial_accumulator_value value"),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

    def _begin(self) -> None:
        """Its state is there before the first step."""
        step = tensor(0.0, float32)
        for group in self.param_groups:
            for param in group["params"]:
                total = full_like(param, self.initial("sum", group))
                self.state[param] = {"step": step, "sum": total}

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("sum",)

    def initial(self, slot: str, group: ParamGroup) -> float:
        return float(group["initial_accumulator_value"])

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        rate = n.lr / (1 + (step - 1) * n.lr_decay) if n.has("lr_decay") else n.lr
        return {"rate": rate, "eps": n.eps}

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        total, g = state["sum"], wide(grad)
        total.copy_(wide(total) + g * g)
        param.copy_(wide(param) - g / wide(total.sqrt() + s.eps) * s.rate)

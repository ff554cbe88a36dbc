"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import moment_numbers, moments
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import options

__all__ = ["Adam", "AdamW"]

_ORDER = "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused"


class Adam(FormulaOptimizer):
    """Adam.

    ::

        g = grad + weight_decay * p                 (AdamW: p = p * (1 - lr * weight_decay))
        m = m + (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g^2
        p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    With ``amsgrad`` the last line takes the largest ``v`` so far.

    Raises:
        ValueError: for numbers out of range.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    @options(order=f"{_ORDER} decoupled_weight_decay")
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        extra = ("max_exp_avg_sq",) if n.has("amsgrad") else ()
        return ("exp_avg", "exp_avg_sq", *extra)

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        return {
            **moment_numbers(n),
            "step_size": n.lr / (1 - beta1**step),
            "root_correction": (1 - beta2**step) ** 0.5,
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        m, v = moments(state, wide(grad), s)
        if n.has("amsgrad"):
            v = state["max_exp_avg_sq"].copy_(v.maximum(state["max_exp_avg_sq"]))
        root = v.sqrt() / s.root_correction + s.eps
        param.copy_(wide(param) - wide(m) / wide(root) * s.step_size)


class AdamW(Adam):
    """``Adam`` whose weight decay does not pass through the moments.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    @options(order=f"{_ORDER} decoupled_weight_decay", fixed={"decoupled_weight_decay": True})
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

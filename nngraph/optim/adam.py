"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots, scaled
from nngraph.optim.optimizer import ParamsT

__all__ = ["Adam", "AdamW"]


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

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
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
    ) -> None:
        self._check_rate(lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for position, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {position}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def slots(self, n: Numbers) -> tuple[str, ...]:
        extra = ("max_exp_avg_sq",) if n.has("amsgrad") else ()
        return ("exp_avg", "exp_avg_sq", *extra)

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        decay = {}
        if n.has("weight_decay"):
            decoupled = n.has("decoupled_weight_decay")
            decay = {"decay": 1 - n.lr * n.weight_decay if decoupled else n.weight_decay}
        return {
            **decay,
            "rate1": 1 - beta1,
            "beta2": beta2,
            "rate2": 1 - beta2,
            "eps": n.eps,
            "step_size": n.lr / (1 - beta1**step),
            "root_correction": (1 - beta2**step) ** 0.5,
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        if n.has("weight_decay"):
            if n.has("decoupled_weight_decay"):
                param.mul_(s.decay)
            else:
                grad = (wide(grad) + scaled(param, s.decay)).to(grad.dtype)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        g = wide(grad)
        m.copy_(wide(m) + (g - wide(m)) * s.rate1)
        v.copy_(wide(v * s.beta2) + g * s.rate2 * g)
        if n.has("amsgrad"):
            v = state["max_exp_avg_sq"].copy_(v.maximum(state["max_exp_avg_sq"]))
        root = v.sqrt() / s.root_correction + s.eps
        param.copy_(wide(param) - wide(m) / wide(root) * s.step_size)


class AdamW(Adam):
    """``Adam`` whose weight decay does not pass through the moments.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
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
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

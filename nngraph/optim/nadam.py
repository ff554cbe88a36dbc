"""NAdam."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ops.composite import wide, wide_dtype
from nngraph.optim.arithmetic import moment_numbers, moments
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamGroup, ParamsT
from nngraph.optim.options import at_least_zero, options

__all__ = ["NAdam"]


class NAdam(FormulaOptimizer):
    """Adam with Nesterov's momentum.

    ::

        g = grad + weight_decay * p                 (decoupled: p = p * (1 - lr * weight_decay))
        mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        M = mu_1 * ... * mu_t
        m = m + (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g^2
        d = sqrt(v / (1 - beta2^t)) + eps
        p = p - lr * (1 - mu_t) / (1 - M) * g / d
        p = p - lr * mu_{t+1} / (1 - M * mu_{t+1}) * m / d

    Raises:
        ValueError: for numbers out of range.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html
    """

    scalars = frozenset({"mu_product"})

    @options(
        order="lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize foreach "
        "capturable differentiable",
        momentum_decay=at_least_zero("momentum_decay value"),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("mu_product", "exp_avg", "exp_avg_sq")

    def initial(self, slot: str, group: ParamGroup) -> float:
        return 1.0 if slot == "mu_product" else 0.0

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        return {
            "lr": n.lr,
            **moment_numbers(n),
            "correction": 1 - beta2**step,
            "mu": beta1 * (1 - 0.5 * 0.96 ** (step * n.momentum_decay)),
            "mu_next": beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * n.momentum_decay)),
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        exact = s.exact
        so_far = state["mu_product"]  # a state dict gives it the parameter's dtype
        so_far.mul_(s.cast(exact["mu"], wide_dtype(so_far.dtype)))
        product, lr = world().count(so_far), exact["lr"]
        g = wide(grad)
        m, v = moments(state, g, s)
        root = wide((v / s.correction).sqrt() + s.eps)
        by_grad = s.cast(lr * (1 - exact["mu"]) / (1 - product))
        by_mean = s.cast(lr * exact["mu_next"] / (1 - product * exact["mu_next"]))
        param.copy_(wide(param) - g / root * by_grad)
        param.copy_(wide(param) - wide(m) / root * by_mean)

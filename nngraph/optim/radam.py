"""RAdam."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import either, moment_numbers, moments
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import options

__all__ = ["RAdam"]


class RAdam(FormulaOptimizer):
    """Adam that adapts its rate once the squares are known well enough.

    ::

        g = grad + weight_decay * p                 (decoupled: p = p * (1 - lr * weight_decay))
        m = m + (1 - beta1) * (g - m)
        v = beta2 * v + (1 - beta2) * g^2
        R = 2 / (1 - beta2) - 1
        r = R - 2 * t * beta2^t / (1 - beta2^t)
        c = sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r))
        a = c * sqrt(1 - beta2^t) / (sqrt(v) + eps)
        p = p - lr * m / (1 - beta1^t) * a          (a = 1 as long as r <= 5)

    Raises:
        ValueError: for numbers out of range.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2019;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    @options(
        order="lr betas eps weight_decay maximize foreach capturable decoupled_weight_decay "
        "differentiable"
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction

        def rectified() -> Any:
            above = (length - 4) * (length - 2) * longest
            return (above / ((longest - 4) * (longest - 2) * length)) ** 0.5

        return {
            "lr": n.lr,
            **moment_numbers(n),
            "correction1": 1 - beta1**step,
            "root_correction": correction**0.5,
            "length": length,
            "rectified": either(length > 5, rectified, lambda: 1.0),
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        m, v = moments(state, wide(grad), s)
        change = m / s.correction1 * s.lr
        adapted = either(
            s.exact["length"] > 5,
            lambda: change * ((v.sqrt() + s.eps).reciprocal() * s.root_correction) * s.rectified,
            lambda: change,
        )
        param.copy_(wide(param) - wide(adapted))

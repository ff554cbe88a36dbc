"""Muon."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bfloat16
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import lerp_to
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import need, options

__all__ = ["Muon"]

_ADJUSTMENTS = ("original", "match_rms_adamw")


class Muon(FormulaOptimizer):
    """Steps along the momentum of a matrix whose singular values are brought near to one.

    ::

        b = momentum * b + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g                        (if nesterov; else b)
        x = u / max(norm(u), eps)                                    (in bfloat16)
        x = a x + (b1 y + c y y) x  with  y = x x^T                  (ns_steps times)
        p = p - lr * weight_decay * p
        p = p - lr * ratio * x       (ratio: sqrt(max(1, rows / columns)), or with
                                      "match_rms_adamw" 0.2 sqrt(max(rows, columns)))

    ``ns_coefficients`` are a, b1 and c. Parameters with other than two axes need another optimizer.

    Raises:
        ValueError: for numbers out of range, and for parameters that are no matrices.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
    """

    counts_steps: ClassVar[bool] = False
    decays_itself: ClassVar[bool] = True

    @options(
        lr=need(lambda lr: lr >= 0.0, "Learning rate should be >= 0 but is: {}"),
        momentum=need(lambda m: m >= 0.0, "momentum should be >= 0 but is: {}"),
        weight_decay=need(lambda w: w >= 0.0, "weight decay should be >= 0 but is: {}"),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if adjust_lr_fn is not None and adjust_lr_fn not in _ADJUSTMENTS:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if param.ndim != 2:
                self.param_groups.pop()
                raise ValueError(
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{param.size()}"
                )

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        a, b, c = n.ns_coefficients
        return {
            "lr": n.lr,
            "keep": 1 - n.lr * n.weight_decay,
            "momentum": n.momentum,
            "rate": 1 - n.momentum,
            "eps": n.eps,
            "a": a,
            "b": b,
            "c": c,
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        buffer, g = lerp_to(state["momentum_buffer"], wide(grad), s.rate), wide(grad)
        change = g + (wide(buffer) - g) * s.momentum if n.has("nesterov") else wide(buffer)
        turned = _orthogonal(change.to(grad.dtype), s, n.fact("ns_steps"))
        param.mul_(s.keep)
        rows, columns = param.shape
        ratio = math.sqrt(max(1, rows / columns))
        if n.fact("adjust_lr_fn") == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        param.copy_(wide(param) - wide(turned) * (s.lr * ratio))


def _orthogonal(matrix: Tensor, s: Any, steps: int) -> Tensor:
    """Newton and Schulz's iteration of degree five towards a matrix of orthonormal rows."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(bfloat16)
    x = x.T if is_tall else x
    x = (wide(x) / wide(x.norm()).clamp(min=s.eps)).to(bfloat16)
    for _ in range(steps):
        gram = x @ x.T
        mixed = (wide(gram) * s.b + wide(gram) @ wide(gram) * s.c).to(bfloat16)
        x = (wide(x) * s.a + wide(mixed) @ wide(x)).to(bfloat16)
    return x.T if is_tall else x

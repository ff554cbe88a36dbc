"""Adafactor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor
from nngraph.ops.composite import wide
from nngraph.optim.arithmetic import either, lerp_to
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import need, options

__all__ = ["Adafactor"]


def _check_eps(eps: Any) -> None:
    first, second = eps
    if first is not None and not first >= 0.0:
        raise ValueError(f"epsilon1 should be >= 0 but is: {first}")
    if not second >= 0.0:
        raise ValueError(f"epsilon2 should be >= 0 but is: {second}")


class Adafactor(FormulaOptimizer):
    """Divides the gradient of a matrix by the product of its rows' and its columns' magnitudes.

    Of a parameter with two axes or more it keeps a mean square a row and a column; of others one
    an element.

    ::

        b = t^beta2_decay                                            (t = 1, 2, ...)
        a = max(eps2, rms(p)) * min(lr, 1 / sqrt(t))
        p = p - lr * weight_decay * p
        r = r + b * (mean_row(g^2) - r)
        c = c + b * (mean_column(g^2) - c)
        v = r c / max(mean(r), eps1)                                 (or v = v + b * (g^2 - v))
        u = g / sqrt(max(v, eps1^2))
        p = p - a * u / max(1, rms(u) / d)

    Raises:
        ValueError: for numbers out of range.

    Source: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    2018; https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html
    """

    decays_itself: ClassVar[bool] = True

    @options(
        lr=need(lambda lr: lr >= 0.0, "Learning rate should be >= 0 but is: {}"),
        beta2_decay=need(lambda b: b <= 0.0, "beta2_decay should be <= 0 but is: {}"),
        eps=_check_eps,
        d=need(lambda d: d >= 1.0, "Clipping threshold d should be >= 1 but is: {}"),
        weight_decay=need(lambda w: w >= 0.0, "weight_decay should be >= 0 but is: {}"),
    )
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None: ...

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("row_var", "col_var", "variance")

    def shape(self, slot: str, param: Tensor) -> Sequence[int] | None:
        sizes = list(param.shape)
        if (slot == "variance") is (len(sizes) > 1):
            return None
        if slot != "variance":
            sizes[-1 if slot == "row_var" else -2] = 1
        return sizes

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        lr, bound = n.lr, step**-0.5
        first, second = n.eps
        numbers = {
            "rate": step**n.beta2_decay,
            "rho": either(lr < bound, lambda: lr, lambda: bound),
            "eps2": second,
            "d": n.d,
        }
        if first is not None:
            numbers["eps1"] = first
        if n.has("weight_decay"):
            numbers["keep"] = 1 - lr * n.weight_decay
        return numbers

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        eps1 = s.eps1 if "eps1" in s.exact else finfo(param.dtype).eps
        alpha = _rms(wide(param)).clamp(min=s.eps2) * s.rho
        if n.has("weight_decay"):
            param.mul_(s.keep)
        g = wide(grad)
        if grad.ndim > 1:
            rows = lerp_to(state["row_var"], _mean_square(g, -1), s.rate)
            columns = lerp_to(state["col_var"], _mean_square(g, -2), s.rate)
            mean = wide(rows).mean(dim=-2, keepdim=True).clamp(min=eps1)
            v = wide(rows) @ wide(columns) / mean
        else:
            v = wide(lerp_to(state["variance"], g * g, s.rate))
        change = v.clamp(min=eps1 * eps1).rsqrt() * g
        limit = (_rms(change) / s.d).clamp(min=1.0)
        param.copy_(wide(param) - change * (alpha / limit))


def _rms(x: Tensor) -> Tensor:
    root: Tensor = x.norm(2) / float(x.numel()) ** 0.5
    return root


def _mean_square(x: Tensor, axis: int) -> Tensor:
    mean: Tensor = x.norm(dim=axis, keepdim=True).square() / x.shape[axis]
    return mean

"""Adam on the rows that occur."""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.frontend.functional.selection import where
from nngraph.frontend.rows import Rows, rows_of
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64
from nngraph.optim.formula import FormulaOptimizer, Numbers, Slots
from nngraph.optim.optimizer import ParamsT
from nngraph.optim.options import options

__all__ = ["SparseAdam"]


class SparseAdam(FormulaOptimizer):
    """Adam for tables of which a step reads few rows: the others keep their moments and values.

    ::

        m = m + (1 - beta1) * (g - m),  v = v + (1 - beta2) * (g^2 - v),  of the rows of g
        p = p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

    Gradients have to know their rows: those of ``nn.Embedding(sparse=True)``.

    Raises:
        ValueError: for numbers out of range.
        RuntimeError: in a step, for a gradient that does not know its rows.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
    """

    takes_rows: ClassVar[bool] = True

    @options()
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")

    def slots(self, n: Numbers) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        beta1, beta2 = n.betas
        return {
            "rate1": 1 - beta1,
            "rate2": 1 - beta2,
            "eps": n.eps,
            "step_size": n.lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step),
        }

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        rows = rows_of(param.grad)
        if rows is None:
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead (or "
                "look rows up with sparse=True, and leave the gradient as backward() made it)"
            )
        if 0 in rows.values.aval.shape:
            return
        places = rows.places.to(int64)
        g = _totals(rows, places, param)
        g = -g if n.has("maximize") else g
        kept = (state["exp_avg"], state["exp_avg_sq"], param)
        m, v, p = (whole.index_select(0, places) for whole in kept)
        new_m, new_v = m + (g - m) * s.rate1, v + (g * g - v) * s.rate2
        new_p = p - s.step_size * (new_m / (new_v.sqrt() + s.eps))
        for whole, old, new in zip(kept, (m, v, p), (new_m, new_v, new_p), strict=True):
            if rows.padding is not None:  # that row does not occur
                new = where((places == rows.padding).unsqueeze(1), old, new)
            whole.index_copy_(0, places, new)


def _totals(rows: Rows, places: Tensor, param: Tensor) -> Tensor:
    """The gradient of the row at each place: the sum of all that is there for this row.

    One of the positions where a row occurs stands for all of them, so that nothing of the size of
    the table is added up.
    """
    positions = (places * 0 + 1).cumsum(0) - 1
    first = places.new_zeros(param.shape[0]).scatter(0, places, positions)
    owner = first.index_select(0, places)
    total = (rows.values * 0).index_add(0, owner, rows.values)
    found: Tensor = total.index_select(0, owner)
    return found

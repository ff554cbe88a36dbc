"""What losses share."""

from __future__ import annotations

from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.losses.reduction import legacy_reduction
from nngraph.nn.modules.module import Module

__all__ = ["_Loss", "_WeightedLoss"]


class _Loss(Module):
    """Attributes: reduction (``"mean"``, ``"sum"`` or ``"none"``)."""

    reduction: str

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    """A loss with a buffer ``weight``."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

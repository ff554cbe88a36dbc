"""Gradients that PyTorch gives as zeros where a formula has none."""

from __future__ import annotations

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor

__all__ = ["with_zero_gradient"]


def with_zero_gradient(result: Tensor, operand: Tensor) -> Tensor:
    """``result``; the gradient of ``operand``, which broadcasts to it, is zeros instead of none."""
    chosen = ops.constant(np.ones((1,) * result.ndim, bool), result)
    return where(chosen, result, operand)

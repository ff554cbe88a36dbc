"""``Variable``, which PyTorch's code of old wraps around tensors (``torch.autograd.variable``)."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.tensor import Tensor

__all__ = ["Variable"]


class VariableMeta(type):
    """Every tensor is a ``Variable``."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=VariableMeta):
    """``Variable(x, requires_grad=True)`` is a leaf over the memory of ``x``, outside its history.

    Args:
        data: the tensor; without one, a new one of no elements.
        requires_grad: whether ``backward`` fills ``grad``.
        volatile: means nothing any more, as in PyTorch; write ``with ng.no_grad():``.

    Raises:
        TypeError: for what is no tensor.
        RuntimeError: if ``requires_grad`` is asked for a tensor of integers.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
    """

    def __new__(  # type: ignore[misc]
        cls, data: Any = None, requires_grad: bool = False, volatile: bool = False
    ) -> Tensor:
        made = zeros(0) if data is None else data
        if not isinstance(made, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return made.detach().requires_grad_(requires_grad)

"""Functions of two tensors that have a derivative by the second only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from nngraph.frontend.custom import Function
from nngraph.frontend.functional.joining import broadcast_tensors
from nngraph.frontend.tensor import Tensor

__all__ = ["by_second"]

Rule = Callable[[Tensor, Tensor], Tensor]


class _Refuses(Function):
    """The tensor, whose gradient is refused."""

    @staticmethod
    def forward(ctx: Any, name: str, tensor: Tensor) -> Tensor:
        ctx.name = name
        return tensor

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> NoReturn:
        raise NotImplementedError(
            f"the derivative for '{ctx.name}: input' is not implemented, as in PyTorch; "
            "give it input.detach() if it may be taken for constant"
        )


class _BySecond(Function):
    """A function with the rule for its slope."""

    @staticmethod
    def forward(ctx: Any, compute: Rule, slope: Rule, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first, second)
        ctx.slope = slope
        return compute(first, second)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        first, second = ctx.saved_tensors
        known = first.new_zeros(()).expand(first.shape) if ctx.needs_input_grad[2] else None
        return None, None, known, grads[0] * ctx.slope(first, second)


def by_second(name: str, compute: Rule, slope: Rule, first: Tensor, second: Tensor) -> Tensor:
    """``compute(first, second)``, whose derivative by ``second`` is ``slope(first, second)``.

    A gradient by ``first`` is refused, as PyTorch does it, with NotImplementedError.
    """
    if not (first.requires_grad or second.requires_grad):
        return compute(first, second)
    first, second = broadcast_tensors(first, second)
    if first.requires_grad:
        first = _Refuses.apply(name, first)
    made: Tensor = _BySecond.apply(compute, slope, first, second)
    return made

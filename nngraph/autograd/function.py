"""Functions with gradients of their own (``torch.autograd.function``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from nngraph.frontend.base import TensorBase
from nngraph.frontend.custom import Function, FunctionCtx
from nngraph.frontend.modes import is_grad_enabled, no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class _Refuses(Function):
    """Gives tensors back, and refuses their gradient."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> NoReturn:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a ``backward`` whose result has no gradient: asking for one is an error.

    Args:
        fn: a ``backward(ctx, *grads)``; it runs without being recorded.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#function
    """

    @wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        wanted = any(isinstance(a, TensorBase) and a.requires_grad for a in args)
        if not (is_grad_enabled() and wanted):
            return outputs
        single = not isinstance(outputs, tuple)
        listed = (outputs,) if single else outputs
        own = [None if o is None else o.detach().requires_grad_() for o in listed]
        made = _Refuses.apply(*own)
        return made[0] if single else made

    return wrapper

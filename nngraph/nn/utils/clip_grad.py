"""Limits on gradients; all of it traces, as nothing needs a value."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import GeneratorType

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, TensorBase) else list(tensors)


def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors as one vector.

    Args:
        tensors: at least none: then the norm is 0.
        norm_type: a number or ``float("inf")``.
        error_if_nonfinite: refuse a norm that is NaN or infinite; this needs its value, so a
            traced function cannot ask for it.
        foreach: changes nothing.

    Raises:
        RuntimeError: for a norm that is not finite, if asked.
    """
    order = float(norm_type)
    with no_grad():
        norms = [t.detach().norm(order) for t in _listed(tensors)]
        if not norms:
            return tensor(0.0)
        dtype = norms[0].dtype
        total = stack([n.to(dtype) for n in norms]).norm(order)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales gradients by ``max_norm / (total_norm + 1e-6)`` where that is below 1."""
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for parameter in _listed(parameters):
            if parameter.grad is not None:
                parameter.grad.mul_(factor.to(parameter.grad.dtype))


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales gradients so that their norm together is at most ``max_norm``.

    Returns:
        The norm before.

    Raises:
        RuntimeError: for a norm that is not finite, if asked.
    """
    given = _listed(parameters)
    if not given and isinstance(parameters, GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
        )
    listed = [p for p in given if p.grad is not None]
    total = get_total_norm(
        [p.grad for p in listed if p.grad is not None], norm_type, error_if_nonfinite
    )
    clip_grads_with_norm_(listed, float(max_norm), total)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """``clip_grad_norm_``, under the name that PyTorch deprecated."""
    warnings.warn(
        "`nngraph.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`nngraph.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limits each element of the gradients to ``[-clip_value, clip_value]``."""
    limit = float(clip_value)
    with no_grad():
        for parameter in _listed(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(-limit, limit)

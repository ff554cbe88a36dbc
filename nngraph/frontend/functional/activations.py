"""Activations that are methods, too."""

from __future__ import annotations

from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.selection import where
from nngraph.frontend.functional.variants import both
from nngraph.frontend.tensor import Tensor

__all__ = ["hardshrink", "prelu"]


@both
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``leaky_relu`` with a learned slope for all or for each channel (axis 1).

    Raises:
        RuntimeError: if the number of slopes is neither 1 nor that of channels.
    """
    need_floats("prelu", input)
    channels = input.shape[1] if input.ndim >= 2 else 1
    if weight.numel() != 1 and weight.numel() != channels:
        raise RuntimeError(
            "Mismatch of parameter numbers and input channel size. Found parameter "
            f"numbers = {weight.numel()} and channel size = {channels}."
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.ndim == 1 and input.ndim >= 2:
        weight = weight.reshape(-1, *(1,) * (input.ndim - 2))
    elif not input.ndim:
        weight = weight.reshape(())
    return input * where(input > 0, 1.0, weight)  # a slope of NaN stays on its side


@both
def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """``x`` where ``|x| > lambd``, 0 elsewhere."""
    need_floats("hardshrink", input)
    return where((input >= -lambd) & (input <= lambd), 0.0, input)

"""``autocast``, and functions with gradients of their own in it (``torch.amp.autocast_mode``)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from nngraph.frontend.precision.casting import HERE
from nngraph.frontend.precision.region import autocast, get_autocast_dtype, is_autocast_enabled
from nngraph.frontend.precision.state import AUTOCASTS, known_type
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, float64

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows such devices.

    Raises:
        RuntimeError: for a word that is no kind of device.
    """
    return known_type(device_type) in AUTOCASTS


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: DType | None = None
) -> Any:
    """Decorates ``forward`` of an ``autograd.Function`` that is called under autocast.

    Args:
        fwd: the forward; left out, the result is a decorator.
        device_type: whose autocast counts.
        cast_inputs: what tensors of floating point are cast to under autocast, which is off inside
            then; None leaves autocast and the tensors as they are.

    Raises:
        ValueError: for a device type that is no string.
    """
    _need_text(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args: Any, **kwargs: Any) -> Any:
        ctx, is_on = args[0], is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = is_on and cast_inputs is None
        if not is_on or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs)
            )

    return decorate_fwd


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates ``backward`` beside ``custom_fwd``: autocast is in it as it was in the forward.

    Args:
        bwd: the backward; left out, the result is a decorator.
        device_type: as of ``custom_fwd``.

    Raises:
        ValueError: for a device type that is no string.
    """
    _need_text(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(*args, **kwargs)

    return decorate_bwd


def _need_text(device_type: object) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def _cast(value: Any, device_type: str, dtype: DType) -> Any:
    """The same nest with its tensors of floating point cast, float64 left as it is."""
    if isinstance(value, Tensor):
        is_cast = value.dtype.is_floating_point and value.dtype is not float64
        return value.to(dtype) if is_cast and device_type == HERE else value
    if isinstance(value, Mapping):
        return {key: _cast(each, device_type, dtype) for key, each in value.items()}
    if isinstance(value, list | tuple):
        parts = [_cast(each, device_type, dtype) for each in value]
        fields = getattr(type(value), "_fields", None)
        return type(value)(*parts) if fields is not None else type(value)(parts)
    return value

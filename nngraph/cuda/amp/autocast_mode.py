"""``autocast`` and its decorators under their old names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph.amp.autocast_mode import autocast as _autocast
from nngraph.amp.autocast_mode import custom_bwd as _custom_bwd
from nngraph.amp.autocast_mode import custom_fwd as _custom_fwd
from nngraph.amp.deprecated import warn_of
from nngraph.ir.dtypes import DType, float16

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


class autocast(_autocast):
    """``amp.autocast("cuda", ...)``, which it tells to write."""

    def __init__(
        self, enabled: bool = True, dtype: DType = float16, cache_enabled: bool = True
    ) -> None:
        warn_of("cuda", "autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: DType | None = None) -> Any:
    """``amp.custom_fwd(..., device_type="cuda")``, which it tells to write."""
    warn_of("cuda", "custom_fwd", "amp.custom_fwd(args..., device_type='cuda')")
    return _custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Any:
    """``amp.custom_bwd(..., device_type="cuda")``, which it tells to write."""
    warn_of("cuda", "custom_bwd", "amp.custom_bwd(args..., device_type='cuda')")
    return _custom_bwd(bwd, device_type="cuda")

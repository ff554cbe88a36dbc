"""``autocast`` under its old name."""

from __future__ import annotations

from nngraph.amp.autocast_mode import autocast as _autocast
from nngraph.amp.deprecated import warn_of
from nngraph.ir.dtypes import DType, bfloat16

__all__ = ["autocast"]


class autocast(_autocast):
    """``amp.autocast("cpu", ...)``, which it tells to write."""

    def __init__(
        self, enabled: bool = True, dtype: DType = bfloat16, cache_enabled: bool = True
    ) -> None:
        warn_of("cpu", "autocast")
        super().__init__("cpu", dtype, enabled, cache_enabled)

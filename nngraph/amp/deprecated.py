"""What the names of before there was one for all devices say when they are used."""

from __future__ import annotations

import warnings

__all__ = ["warn_of"]


def warn_of(device: str, name: str, instead: str = "") -> None:
    """Warns the caller's caller that ``cuda.amp`` and ``cpu.amp`` are old paths."""
    wanted = instead or f"amp.{name}({device!r}, args...)"
    warnings.warn(
        f"`{device}.amp.{name}(args...)` is deprecated. Please use `{wanted}` instead.",
        FutureWarning,
        stacklevel=3,
    )

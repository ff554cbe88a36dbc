"""The CPU as a device (``torch.cpu``): where tensors are."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from nngraph.cpu import amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """``"cpu"``."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing: there is one."""


def synchronize(device: Any = None) -> None:
    """Nothing: each call is done when it returns."""


def stream(stream: Any) -> AbstractContextManager[None]:
    """A context that changes nothing."""
    return nullcontext()

"""Functions of devices that are not there: PyTorch's names, which say so when they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from nngraph.frontend.devices import device, refuse_device

__all__ = ["DeviceContext", "OutOfMemoryError", "absent", "nothing", "zero"]


class OutOfMemoryError(RuntimeError):
    """What PyTorch raises when a device's memory is full: never, here."""


def absent(kind: str) -> Callable[..., NoReturn]:
    """A function of a kind of device, called as PyTorch's on a machine without one.

    It raises AssertionError: there are no tensors on such a device.
    """

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        refuse_device(device(kind))

    return refused


def nothing(*args: Any, **kwargs: Any) -> None:
    """What there is to do for no device."""


def zero(device: Any = None) -> int:
    """Bytes of memory, of a device that is not there."""
    return 0


class DeviceContext:
    """``with torch.cuda.device(0)``: refused when entered; None and -1 mean no change."""

    kind = "cuda"

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None and self.idx != -1:
            refuse_device(device(self.kind))

    def __exit__(self, *raised: object) -> None:
        pass

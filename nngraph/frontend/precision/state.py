"""What ``autocast`` has switched on in this thread of control, and the casts that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from nngraph.ir.dtypes import DType, bfloat16, float16

__all__ = [
    "AUTOCASTS",
    "Kept",
    "State",
    "current",
    "device_type_of",
    "entered",
    "kept",
    "known_type",
    "left",
    "resumed",
    "switched",
]

#: The dtype of each kind of device that has autocast, where none was set.
AUTOCASTS: dict[str, DType] = {
    "cpu": bfloat16,
    "cuda": float16,
    "hpu": bfloat16,
    "ipu": float16,
    "maia": bfloat16,
    "mps": float16,
    "mtia": bfloat16,
    "privateuseone": float16,
    "xla": bfloat16,
    "xpu": float16,
}
_OTHERS = frozenset(
    ["mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "lazy", "vulkan", "meta"]
)


@dataclass(frozen=True)
class State:
    """What is on.

    Attributes:
        enabled: the kinds of devices.
        dtypes: the lower precision of each kind for which one was set.
        caches: whether casts of parameters are kept.
    """

    enabled: frozenset[str] = frozenset()
    dtypes: tuple[tuple[str, DType], ...] = ()
    caches: bool = True

    def dtype(self, device_type: str) -> DType:
        """The lower precision of a kind of device."""
        return dict(self.dtypes).get(device_type) or AUTOCASTS[device_type]

    def having(self, device_type: str, enabled: bool) -> State:
        """The state with autocast on or off for one kind of device."""
        one = frozenset({device_type})
        return replace(self, enabled=self.enabled | one if enabled else self.enabled - one)

    def casting_to(self, device_type: str, dtype: DType) -> State:
        """The state with another lower precision."""
        dtypes = {**dict(self.dtypes), device_type: dtype}
        own = {kind: each for kind, each in dtypes.items() if each is not AUTOCASTS[kind]}
        return replace(self, dtypes=tuple(sorted(own.items(), key=lambda item: item[0])))

    def __str__(self) -> str:
        shown = [f"{kind} in {self.dtype(kind).name}" for kind in sorted(self.enabled)]
        return f"on for {', '.join(shown)}" if shown else "off"


@dataclass
class Kept:
    """The casts of parameters since the outermost region was entered.

    Attributes:
        depth: how many regions there are.
        casts: by the identity of what was cast.
    """

    depth: int
    casts: dict[int, Any]


_OFF = State()
_state: ContextVar[State] = ContextVar("nngraph_autocast", default=_OFF)
_kept: ContextVar[Kept | None] = ContextVar("nngraph_autocast_casts", default=None)

#: The state of the code that asks, and the casts that it keeps, None outside of regions.
current = _state.get
kept = _kept.get


def known_type(device: str) -> str:
    """``"cuda"`` of ``"cuda:0"``.

    Raises:
        RuntimeError: for a word that is no kind of device.
    """
    name = device.partition(":")[0]
    if name not in AUTOCASTS and name not in _OTHERS:
        raise RuntimeError(
            f"Expected one of {', '.join([*AUTOCASTS, *sorted(_OTHERS)])} device type at start of "
            f"device string: {device}"
        )
    return name


def device_type_of(device: str) -> str:
    """``"cuda"`` of ``"cuda:0"``.

    Raises:
        RuntimeError: for a kind of device that has no autocast.
    """
    name = known_type(device)
    if name not in AUTOCASTS:
        raise RuntimeError(f"autocast does not support the device type {device!r}")
    return name


def switched(state: State) -> None:
    """Makes ``state`` that of the code from here on."""
    _state.set(state)


def entered() -> int:
    """Goes one region deeper; returns how many there are now."""
    known = _kept.get()
    _kept.set(Kept(1, {}) if known is None else Kept(known.depth + 1, known.casts))
    return 1 if known is None else known.depth + 1


def left() -> int:
    """Leaves a region, and forgets the casts where it was the outermost one."""
    known = _kept.get()
    if known is None:
        return 0
    _kept.set(Kept(known.depth - 1, known.casts) if known.depth > 1 else None)
    return known.depth - 1


@contextmanager
def resumed(state: State) -> Iterator[None]:
    """The code inside runs as in a region of its own with this state."""
    before, casts = _state.set(state), _kept.set(Kept(1, {}) if state.enabled else None)
    try:
        yield
    finally:
        _state.reset(before)
        _kept.reset(casts)

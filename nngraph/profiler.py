"""Profiles, as PyTorch's code asks for them (``torch.profiler``): regions may be named, no more."""

from __future__ import annotations

import enum
from types import TracebackType
from typing import Any

from nngraph.frontend.elsewhere import elsewhere

__all__ = [
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "tensorboard_trace_handler",
]

_INSTEAD = (
    "ng.profile(compiled, x, y) says what a compiled step's time and memory go to, and writes a "
    "trace for Perfetto; Python's own profilers (python -m cProfile) see eager code"
)
profile, schedule = (
    elsewhere("profiler.profile", _INSTEAD),
    elsewhere("profiler.schedule", _INSTEAD),
)
tensorboard_trace_handler = elsewhere("profiler.tensorboard_trace_handler", _INSTEAD)


class ProfilerActivity(enum.Enum):
    """What PyTorch's profiler looks at."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3


class record_function:
    """Names a region; also a decorator. Nothing looks at the name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function

"""Anomaly detection: the tape notes where operators were called, and ``backward`` looks for NaN."""

from __future__ import annotations

from types import TracebackType

__all__ = [
    "Anomaly",
    "Scope",
    "anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_anomaly_enabled",
]


class Anomaly:
    """The mode of the process.

    Attributes:
        is_on: whether the tape notes lines.
        check_nan: whether ``backward`` then looks for NaN, too.
    """

    __slots__ = ("check_nan", "is_on")

    def __init__(self) -> None:
        self.is_on, self.check_nan = False, True

    @property
    def looks_for_nan(self) -> bool:
        """Whether ``backward`` looks for NaN."""
        return self.is_on and self.check_nan


anomaly = Anomaly()


class Scope:
    """Sets the mode and puts it back at the end of a ``with``."""

    def __init__(self, is_on: bool, check_nan: bool) -> None:
        self._wanted = is_on, check_nan
        self._before = anomaly.is_on, anomaly.check_nan

    def set(self) -> None:
        """The mode from here on."""
        anomaly.is_on, anomaly.check_nan = self._wanted

    def __enter__(self) -> None:
        self.set()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        anomaly.is_on, anomaly.check_nan = self._before


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return anomaly.is_on


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN is an error while it is on."""
    return anomaly.check_nan


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switches anomaly detection on or off; see ``autograd.set_detect_anomaly``."""
    Scope(enabled, check_nan).set()

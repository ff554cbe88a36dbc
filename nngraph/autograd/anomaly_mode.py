"""Finds the line whose gradient is NaN (``torch.autograd.anomaly_mode``)."""

from __future__ import annotations

import warnings

from nngraph.frontend.anomaly import Scope, is_anomaly_check_nan_enabled, is_anomaly_enabled
from nngraph.frontend.world import world

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]


class set_detect_anomaly(Scope):
    """Switches anomaly detection on or off, at once; as a context, for what is inside only.

    While it is on, the errors of ``backward`` name the line that called the operator, and a
    gradient with NaN in it is one. It serves eager code: compiled functions have
    ``ng.compile(check_finite=True)``.

    Args:
        mode: on or off.
        check_nan: whether NaN is an error.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        if mode:
            world().refuse(
                "detect_anomaly",
                "Compile with ng.compile(check_finite=True), which names the line.",
            )
        super().__init__(mode, check_nan)
        self.set()


class detect_anomaly(Scope):
    """Anomaly detection for what is inside; see ``set_detect_anomaly``."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        world().refuse(
            "detect_anomaly", "Compile with ng.compile(check_finite=True), which names the line."
        )
        super().__enter__()

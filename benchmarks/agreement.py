"""Contenders have to compute the same thing before their times may be compared."""

from __future__ import annotations

import numpy as np

from benchmarks.case import Case
from benchmarks.frameworks import Array


def disagreement(case: Case, got: Array, expected: Array) -> str | None:
    """Why ``got`` differs from PyTorch's results, or None when it is within tolerance.

    Losses are compared one by one; outputs relative to the largest of each step's.
    """
    if got.shape != expected.shape:
        return f"results have shape {got.shape}, PyTorch's {expected.shape}"
    if not np.isfinite(got).all():
        return f"results are not finite: {_brief(got)}"
    steps = expected.shape[0]
    wanted = np.abs(expected.astype(np.float64)).reshape(steps, -1)
    error = np.abs(got.astype(np.float64) - expected).reshape(steps, -1).max(1) / wanted.max(1)
    tolerance = case.workload.loss_tolerance if case.training else case.workload.output_tolerance
    if error.max() <= tolerance:
        return None
    what = "losses" if case.training else "outputs"
    return (
        f"{what} differ from PyTorch's by {error.max():.1e}, more than {tolerance:.0e}, first at "
        f"step {int(np.argmax(error > tolerance)) + 1}: {_brief(got)} against {_brief(expected)}"
    )


def _brief(values: Array) -> str:
    """The first few numbers."""
    flat = values.reshape(-1)
    more = " ..." if flat.size > 5 else ""
    return "[" + " ".join(f"{value:.6g}" for value in flat[:5]) + more + "]"

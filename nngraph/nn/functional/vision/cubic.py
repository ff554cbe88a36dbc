"""The kernel of cubic convolution (Keys, 1981)."""

from __future__ import annotations

from typing import Any

__all__ = ["cubic_weights"]


def cubic_weights(offset: Any, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """What the four neighbours count at ``offset``, from 0 to 1, behind the second."""
    return (_far(offset + 1.0, a), _near(offset, a), _near(1.0 - offset, a), _far(2.0 - offset, a))


def _near(x: Any, a: float) -> Any:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Any, a: float) -> Any:
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

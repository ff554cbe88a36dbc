"""The dtype of what is made of Python's floats (``torch.set_default_dtype``)."""

from __future__ import annotations

from collections.abc import Callable

from nngraph.frontend.structure import structure
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DTYPES, DType, float32

__all__ = ["default_dtype", "get_default_dtype", "set_default_dtype"]

_now = float32


def get_default_dtype() -> DType:
    """The dtype of floats that say none: of ``ng.tensor(1.5)``, ``ng.zeros(2)``, parameters."""
    return default_dtype()


def default_dtype() -> DType:
    """``get_default_dtype``; what is traced with it is traced again after it was set anew."""
    now = _now
    world().guard("the default dtype", _CHECKS[now], _broken, covered=True)
    return now


def set_default_dtype(d: DType, /) -> None:
    """Sets the dtype of floats that say none, for the whole process.

    Raises:
        TypeError: for what is no floating point dtype.
    """
    global _now
    if not isinstance(d, DType) or not d.is_floating_point:
        raise TypeError(
            f"only floating-point types are supported as the default type, got {d!r}; as "
            "ng.set_default_dtype(ng.float64)"
        )
    world().refuse(
        "ng.set_default_dtype is called", "Call it before the compiled function is called."
    )
    _now = d
    structure.changed()


def _check(dtype: DType) -> Callable[[], bool]:
    return lambda: _now is dtype


def _broken() -> str:
    return f"the default dtype is {_now.name} now"


_CHECKS = {dtype: _check(dtype) for dtype in DTYPES if dtype.is_floating_point}

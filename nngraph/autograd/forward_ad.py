"""Forward mode by dual tensors, which is refused (``torch.autograd.forward_ad``)."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


def _refuse() -> NoReturn:
    raise NotImplementedError(
        "nngraph has no dual tensors: operators have gradient rules, and no rules of forward mode. "
        "Write the part as a function, and ng.func.jvp(function, (x,), (tangent,)) gives its value "
        "and the product with its Jacobian"
    )


class dual_level:
    """Refused.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self) -> None:
        _refuse()


def enter_dual_level() -> NoReturn:
    """Refused, as ``dual_level``."""
    _refuse()


def exit_dual_level(*, level: int | None = None) -> NoReturn:
    """Refused, as ``dual_level``."""
    _refuse()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> NoReturn:
    """Refused, as ``dual_level``."""
    _refuse()


def unpack_dual(tensor: Any, *, level: int | None = None) -> NoReturn:
    """Refused, as ``dual_level``."""
    _refuse()

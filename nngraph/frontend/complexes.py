"""Complex numbers, which nngraph does not have: one place says so."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["no_complex"]


def no_complex(name: str) -> NoReturn:
    """Refuses a function of complex numbers.

    Raises:
        NotImplementedError: always, with what to do.
    """
    raise NotImplementedError(
        f"{name}: nngraph has no complex numbers. Keep real and imaginary parts as two real "
        "tensors and write out their arithmetic, or compute this part with NumPy outside of the "
        f"graph (x.numpy(), ng.tensor(...))"
    )

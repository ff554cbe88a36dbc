"""What backends may lack: a gap not listed here fails the contract, and so does one that is gone.

``GAPS[backend][operator]`` names the element types that the backend lacks for the operator (its
gradient included) and says why. ``"*"`` stands for every operator.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GAPS", "Lack", "reason"]


@dataclass(frozen=True)
class Lack:
    """Element types (``"*"``: all) that a backend cannot run an operator on, and why."""

    dtypes: tuple[str, ...]
    why: str


GAPS: dict[str, dict[str, Lack]] = {
    "reference": {},
    "onnx": {},
    "tvm": {},
}


def reason(backend: str, operator: str, dtypes: set[str]) -> str | None:
    """Why ``backend`` may refuse ``operator`` on operands of these types; None if it may not."""
    for key in (operator, "*"):
        lack = GAPS[backend].get(key)
        if lack is not None and ("*" in lack.dtypes or dtypes & set(lack.dtypes)):
            return lack.why
    return None

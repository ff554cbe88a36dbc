"""What backends may lack: a gap not listed here fails the contract, and so does one that is gone.

``GAPS[backend][operator]`` names the element types that the backend lacks for the operator (its
gradient included) and says why. ``"*"`` stands for every operator. A backend that
is not listed lacks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GAPS", "Lack", "reason", "slack"]


@dataclass(frozen=True)
class Lack:
    """Element types (``"*"``: all) that a backend cannot run an operator on, and why."""

    dtypes: tuple[str, ...]
    why: str


_LAPACK = Lack(("*",), "an iteration of LAPACK's, which no backend that compiles has")
_FACTORS = dict.fromkeys(("eigh", "pinv", "svd"), _LAPACK)
GAPS: dict[str, dict[str, Lack]] = {"onnx": _FACTORS, "tvm": _FACTORS}


def reason(backend: str, operator: str, dtypes: set[str]) -> str | None:
    """Why ``backend`` may refuse ``operator`` on operands of these types; None if it may not."""
    for key in (operator, "*"):
        lack = GAPS.get(backend, {}).get(key)
        if lack is not None and ("*" in lack.dtypes or dtypes & set(lack.dtypes)):
            return lack.why
    return None


# Samples (by a part of their note) on which a runtime's own kernel rounds more than the tolerance
# allows, and by how much the tolerance grows there.
ROUGH: dict[str, dict[str, float]] = {
    # ONNX Runtime normalizes batches as x*scale + shift, as PyTorch does, and sums squares of rows
    # before it takes their mean off.
    "onnx": {"a mean far larger than the deviation": 100.0}
}


def slack(backend: str, note: str) -> float:
    """The factor on the tolerance for a sample with this note."""
    return max((f for text, f in ROUGH.get(backend, {}).items() if text in note), default=1.0)

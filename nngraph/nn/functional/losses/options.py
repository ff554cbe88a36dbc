"""Options of losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nngraph.ir.dtypes import DType, bfloat16, float16, float32, float64

__all__ = ["LinearCrossEntropyOptions"]


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch's ``linear_cross_entropy`` cuts the batch; checked, and without effect here.

    Raises:
        ValueError: for a value that PyTorch refuses.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        name, cut, factor = (self.chunking_method or "auto").partition(":")
        whole = not cut or (factor.isdigit() and int(factor) > 0)
        if not ((name == "auto" and not cut) or (name == "aspect_ratio" and whole)):
            raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, float16, bfloat16, float32, float64):
            raise ValueError(f"acc_dtype must be None or of floats, got {self.acc_dtype}")

"""How tensors print: as PyTorch prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.frontend.modes import active_trace
from nngraph.ir.dtypes import bool_, float32, int64

if TYPE_CHECKING:
    from nngraph.frontend.base import TensorBase

__all__ = ["tensor_repr"]


def tensor_repr(tensor: TensorBase) -> str:
    """``tensor([1., 2.], requires_grad=True)``; traced tensors print their type."""
    storage = tensor._variable.storage
    if storage.array is None or (active_trace() is not None and storage.value is not None):
        return f"<traced tensor {storage.type}>"
    array = storage.array
    shown = array.astype(np.float32) if tensor.dtype.name == "bfloat16" else array
    text = np.array2string(
        shown, precision=4, separator=", ", prefix="tensor(", threshold=1000, edgeitems=3,
        floatmode="maxprec_equal" if _has_fraction(shown) else "maxprec",
    )  # fmt: skip
    parts = [text]
    if 0 in array.shape and array.ndim > 1:
        parts.append(f"size={tuple(array.shape)}")
    if tensor.dtype not in (float32, int64, bool_):
        parts.append(f"dtype={tensor.dtype!r}")
    if tensor._variable.entry is not None and tensor.requires_grad:
        name = tensor._variable.entry.op.name.title().replace("_", "")
        parts.append(f"grad_fn=<{name}Backward>")
    elif tensor.requires_grad:
        parts.append("requires_grad=True")
    return f"tensor({', '.join(parts)})"


def _has_fraction(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    if array.dtype.kind != "f" or not array.size:
        return False
    finite = array[np.isfinite(array)]
    return bool(np.any(finite != np.trunc(finite)))

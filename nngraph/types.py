"""Types of arguments, for annotations (``torch.types``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

from nngraph.frontend.devices import device
from nngraph.frontend.tensor import Number, Tensor
from nngraph.ir.dtypes import DType

__all__ = ["Device", "FileLike", "Number"]

Device = device | str | int | None
FileLike = str | os.PathLike[str] | IO[bytes]

_int, _float, _bool = int, float, bool
_dtype, _device = DType, device
_size = Sequence[int]
_TensorOrTensors = Tensor | Sequence[Tensor]
_layout = Any

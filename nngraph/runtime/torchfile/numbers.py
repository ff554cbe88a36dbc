"""NumPy's numbers and arrays in files of PyTorch's: of plain dtypes only."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.values import Budget, Inner, Known, need_int

__all__ = ["Arrays"]

_CODES = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)


class _Kind(Inner):
    """A dtype, whose byte order comes after it."""

    name = "a dtype of NumPy's"

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)


_NDARRAY = Known("numpy.ndarray")


class Arrays:
    """Arrays in a pickle are made empty and then given a state."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._unset: dict[int, Array] = {}

    def names(self) -> dict[tuple[str, str], Any]:
        """The names that pickles of arrays use."""
        made: dict[tuple[str, str], Any] = {
            ("numpy", "dtype"): Known("numpy.dtype", _kind),
            ("numpy", "ndarray"): _NDARRAY,
        }
        for module in ("numpy._core.multiarray", "numpy.core.multiarray"):
            made[module.replace("multiarray", "numeric"), "_frombuffer"] = Known(
                "numpy._frombuffer", self._of_buffer
            )
            made[module, "scalar"] = Known("numpy.scalar", self._scalar)
            made[module, "_reconstruct"] = Known("numpy._reconstruct", self._empty)
        return made

    def _scalar(self, kind: Any, raw: Any) -> Any:
        if not isinstance(kind, _Kind) or type(raw) is not bytes:
            raise CheckpointError("a number of NumPy's is not of a plain dtype")
        if len(raw) != kind.dtype.itemsize:
            raise CheckpointError(f"a {kind.dtype} is of {len(raw)} bytes")
        return np.frombuffer(raw, kind.dtype)[0]

    def _empty(self, kind: Any, shape: Any, code: Any) -> Array:
        if kind is not _NDARRAY or shape != (0,) or code not in (b"b", "b"):
            raise CheckpointError("an array of NumPy's is of another class")
        made = np.empty(0, np.int8)
        self._unset[id(made)] = made
        return made

    def _of_buffer(self, raw: Any, kind: Any, shape: Any, order: Any) -> Array:
        """An array as protocol 5 has it."""
        if type(raw) not in (bytes, bytearray) or order not in ("C", "F"):
            raise CheckpointError("an array's elements are no bytes")
        made = self._empty(_NDARRAY, (0,), "b")
        self.build(made, (1, shape, kind, order == "F", bytes(raw)))
        return made

    def build(self, target: Any, state: Any) -> bool:
        """Sets the state of an array or dtype; False for anything else."""
        if isinstance(target, _Kind):
            order = state[1] if type(state) is tuple and len(state) >= 2 else None
            if order not in ("<", ">", "|", "="):
                raise CheckpointError("a dtype of NumPy's has no byte order")
            target.dtype = target.dtype.newbyteorder(order)
            return True
        if self._unset.pop(id(target), None) is None:
            return False
        self._fill(target, state)
        return True

    def _fill(self, target: Array, state: Any) -> None:
        if type(state) is not tuple or len(state) != 5:
            raise CheckpointError("an array's state is not whole")
        version, shape, kind, in_columns, raw = state
        if type(shape) is not tuple or len(shape) > 32 or not isinstance(kind, _Kind):
            raise CheckpointError("an array of NumPy's is not of a plain dtype and shape")
        sizes = tuple(need_int(n, "an array's size") for n in shape)
        if type(raw) is not bytes or type(in_columns) is not bool or version != 1:
            raise CheckpointError("an array's elements are no bytes")
        self._budget.take(len(raw))
        state = (1, sizes, kind.dtype, in_columns, raw)
        target.__setstate__(state)


def _kind(code: Any, align: Any = False, copy: Any = True) -> _Kind:
    del align, copy
    if code not in _CODES:
        raise CheckpointError(f"an array or number is of NumPy's dtype {code!r:.40}")
    return _Kind(code)

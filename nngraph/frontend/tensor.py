"""The tensor that users see: the core, PyTorch's ``repr``, and what ``functional`` puts on it.

The methods are the functions of ``nngraph.frontend.functional``, assigned there. Type checkers read
``tensor.pyi``, written from the signatures of those functions by ``scripts/stubs.py``.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from nngraph.frontend.absent import why_absent
from nngraph.frontend.base import Size, TensorBase
from nngraph.frontend.printing import tensor_repr
from nngraph.frontend.record import Handle

__all__ = [
    "QR",
    "SVD",
    "Extremes",
    "Histogram",
    "Mantissa",
    "MinMax",
    "Number",
    "Operand",
    "SignAndLog",
    "Size",
    "Tensor",
]


class Tensor(TensorBase):
    """An n-dimensional array that can record how it was made.

    Eager tensors hold a NumPy array; while a function is traced, tensors stand for values of the
    graph. Make one with ``ng.tensor`` and its relatives. Methods have PyTorch's names, arguments
    and meaning (https://docs.pytorch.org/docs/stable/tensors.html).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return tensor_repr(self)

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(type(self), name):  # a property failed, and its own error is what counts
            object.__getattribute__(self, name)
        text = f"'{type(self).__name__}' object has no attribute {name!r}{why_absent(name)}"
        raise AttributeError(text, name=name, obj=self)


Number = float | int | bool
Operand = Tensor | Number


class Extremes(NamedTuple):
    """What ``max(dim)``, ``min(dim)``, ``sort`` and ``topk`` return."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """What ``aminmax`` returns."""

    min: Tensor
    max: Tensor


class SignAndLog(NamedTuple):
    """What ``slogdet`` returns."""

    sign: Tensor
    logabsdet: Tensor


class Histogram(NamedTuple):
    """What ``histogram`` returns."""

    hist: Tensor
    bin_edges: Tensor


class Mantissa(NamedTuple):
    """What ``frexp`` returns."""

    mantissa: Tensor
    exponent: Tensor


class QR(NamedTuple):
    """What ``qr`` returns."""

    Q: Tensor
    R: Tensor


class SVD(NamedTuple):
    """What ``svd`` returns."""

    U: Tensor
    S: Tensor
    V: Tensor


Handle._result = Tensor

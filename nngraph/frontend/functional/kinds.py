"""Which dtypes a function takes, where PyTorch has it for some only."""

from __future__ import annotations

from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, bool_, float32, float64

__all__ = ["need_floats", "need_full_floats", "need_numbers", "need_same"]


def need_floats(name: str, *operands: Tensor) -> None:
    """Refuses bools and integers.

    Raises:
        NotImplementedError: which is a RuntimeError, with the dtype and what to write.
    """
    for x in operands:
        if not x.dtype.is_floating_point:
            raise NotImplementedError(
                f"{name} is not implemented for {x.dtype.name}; convert with .float()"
            )


def need_full_floats(name: str, *operands: Tensor) -> None:
    """Refuses all but float32 and float64.

    Raises:
        NotImplementedError: which is a RuntimeError, with the dtype and what to write.
    """
    for x in operands:
        if x.dtype not in (float32, float64):
            raise NotImplementedError(
                f"{name} is not implemented for {x.dtype.name}; convert with .float()"
            )


def need_numbers(name: str, *dtypes: DType) -> None:
    """Refuses bools.

    Raises:
        NotImplementedError: which is a RuntimeError, with what to write.
    """
    if bool_ in dtypes:
        raise NotImplementedError(f"{name} is not implemented for bool; convert with .to(ng.uint8)")


def need_same(name: str, input: Tensor, **others: Tensor) -> None:
    """Refuses operands of another dtype than the input's.

    Raises:
        RuntimeError: with both dtypes.
    """
    for argument, x in others.items():
        if x.dtype is not input.dtype:
            raise RuntimeError(
                f"{name}: expected dtype {input.dtype.name} for `{argument}` but got dtype "
                f"{x.dtype.name}; convert one of them with .to(dtype)"
            )

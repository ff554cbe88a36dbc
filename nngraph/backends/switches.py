"""What PyTorch's code switches on and off under ``torch.backends``: kept and given back.

No switch changes a result here. Graphs say what is computed; a backend rounds each product to the
dtype of its operands, and the same input gives the same bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["PRECISIONS", "Matmul", "changed", "products"]

#: What ``ng.set_float32_matmul_precision`` takes.
PRECISIONS = ("highest", "high", "medium")


class Matmul:
    """Switches of matrix products (``torch.backends.cuda.matmul``).

    Attributes:
        precision: of float32 products: all computed as ``"highest"``, whatever is allowed.
    """

    def __init__(self) -> None:
        self.precision = "highest"
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation = False

    @property
    def allow_tf32(self) -> bool:
        """Whether less than ``"highest"`` is allowed."""
        return self.precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        self.precision = "high" if value else "highest"

    def set_precision(self, precision: str) -> None:
        """Allows less; as in PyTorch a word that is none of the three warns and changes nothing."""
        if precision not in PRECISIONS:
            warnings.warn(
                f"{precision} is not one of {', '.join(map(repr, PRECISIONS))}; the current "
                "setForFloat32MatmulPrecision call has no effect.",
                stacklevel=3,
            )
            return
        self.precision = precision


products = Matmul()


@contextmanager
def changed(module: ModuleType, **values: Any) -> Iterator[None]:
    """Switches of a module have these values inside."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update({name: v for name, v in values.items() if v is not None})
    try:
        yield
    finally:
        vars(module).update(before)

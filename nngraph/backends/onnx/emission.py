"""How an operator is written in ONNX, and what is known of the node that is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from nngraph.backends.onnx.choices import Choices
from nngraph.backends.onnx.writer import Writer
from nngraph.ir.dtypes import DType
from nngraph.ir.graph import Node
from nngraph.ir.op import Op
from nngraph.ir.types import Shape, TensorType

__all__ = ["Emit", "OpSite", "Emission", "Emissions", "Site", "direct"]


K = TypeVar("K", bound=Op, covariant=True)


@dataclass(frozen=True)
class OpSite(Generic[K]):
    """One node being written, of an operator of class ``K``.

    Attributes:
        writer: where ONNX nodes go.
        node: the node; ``node.op`` is ``op``.
        inputs: ONNX names of the operands; 16-bit floats are widened unless the emission is native.
        types: the operands' types, as widened.
        results: the types of the node's outputs; the caller casts what is returned.
        choices: measured preferences.
        emissions: of every operator, for graphs inside the operator.
    """

    writer: Writer
    node: Node
    inputs: tuple[str, ...]
    types: tuple[TensorType, ...]
    results: tuple[TensorType, ...]
    choices: Choices
    emissions: Emissions

    @property
    def op(self) -> K:
        """The operator with its attributes."""
        return cast(K, self.node.op)  # emissions are found by the operator's class

    @property
    def dtype(self) -> DType:
        """The first operand's element type, as widened."""
        return self.types[0].dtype

    @property
    def shape(self) -> Shape:
        """The first result's shape."""
        return self.results[0].shape

    def __call__(
        self, kind: str, *inputs: str, dtype: DType | None = None, **attributes: Any
    ) -> str:
        """Writes an ONNX node with one output."""
        return self.writer.op(kind, *inputs, dtype=dtype, **attributes)

    def number(self, value: float, dtype: DType | None = None) -> str:
        """A rank-0 constant of the first operand's type, or of ``dtype``."""
        return self.writer.scalar(value, dtype or self.dtype)

    def ints(self, *values: int) -> str:
        """A constant vector of int64."""
        return self.writer.ints(values)

    def cast(self, name: str, dtype: DType) -> str:
        return self.writer.cast(name, dtype)

    def reshape(self, name: str, shape: Shape, source: Shape = ()) -> str:
        return self.writer.reshape(name, shape, source)

    def expand(self, name: str, shape: Shape) -> str:
        return self("Expand", name, self.writer.dims(shape))


#: Of any operator, for what asks nothing of its attributes.
Site: TypeAlias = OpSite[Op]
Emit = Callable[[OpSite[Any]], str | Sequence[str]]


@dataclass(frozen=True)
class Emission:
    """How one operator is written.

    Attributes:
        emit: gives the ONNX name of each output.
        native: 16-bit floats are not widened to float32 first (it only moves data).
        lacks: a reason not to use it for these types; the operator is then decomposed if it
            can be, else reported as a gap.
    """

    emit: Emit
    native: bool = False
    lacks: Callable[[Op, Sequence[TensorType]], str] | None = None


Emissions = dict[type[Op], Emission]


def direct(kind: str, **attributes: Any) -> Emission:
    """The ONNX operator of the same meaning, given the same operands."""
    return Emission(lambda s: s(kind, *s.inputs, **attributes))

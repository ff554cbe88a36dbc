"""The operator: what one class must know, and the dispatch point that all rules go through."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from nngraph.ir.types import TensorType, type_of_array

__all__ = ["Array", "Cost", "Op", "Operand", "Sample", "Thunk", "Trait", "apply", "apply1"]

Array = np.ndarray[Any, Any]


class Trait(enum.Enum):
    """A fact about an operator that passes and backends ask for."""

    ELEMENTWISE = "each output element depends on the broadcast-aligned input elements only"
    COMMUTATIVE = "the two inputs may be exchanged"
    DIVIDES = "an integer divided by a zero in the second input is an error"
    SHAPE = "moves or repeats elements without computing on them"
    CREATION = "has no inputs"
    CONTROL = "holds nested graphs"

    __hash__ = object.__hash__  # members are single; Enum hashes their names, in Python


class Cost(enum.IntEnum):
    """What an element of an operator costs, in steps that a planner tells apart."""

    CHEAP = 0  # one or two instructions
    SLOW = 1  # a division or a root: better not repeated for every row
    HEAVY = 2  # a function of some ten instructions: better kept than computed again


@runtime_checkable
class Operand(Protocol):
    """What operator rules compute with: a graph's ``Value`` or the frontend's ``Tensor``.

    Attributes:
        aval: its type, as JAX's "abstract value"; ``type`` is a method of PyTorch's tensors.
    """

    @property
    def aval(self) -> TensorType: ...

    def apply(self, op: Op, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Applies ``op`` to ``operands`` (all of this kind; none for creation operators)."""
        ...


O = TypeVar("O", bound=Operand)  # noqa: E741 - the operand kind, as short as in the rules
Thunk = Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """One test input of an operator: the contract test runs it on every backend.

    Attributes:
        op: the operator with its attributes.
        inputs: NumPy arrays.
        smooth: False where finite differences do not apply (ties, kinks, integers).
        note: what is special about it.
    """

    op: Op
    inputs: tuple[Array, ...]
    smooth: bool = True
    note: str = ""

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(type_of_array(a) for a in self.inputs)


@dataclass(frozen=True)
class Op:
    """Base of all operators: a frozen dataclass whose fields are its attributes.

    An attribute is an int, float, bool, str, DType, None, a tuple of these, a symbolic dimension, a
    ``Tensor literal`` or a nested graph; all are hashable, so equal operators are equal values.

    A subclass defines ``name``, ``infer``, ``eval`` and ``samples``, and either ``vjp`` or
    ``decompose`` or ``differentiable = False``.

    Attributes:
        advice: what to do where a backend lacks the operator.
    """

    name: ClassVar[str] = ""
    traits: ClassVar[frozenset[Trait]] = frozenset()
    cost: ClassVar[Cost] = Cost.CHEAP
    differentiable: ClassVar[bool] = True
    advice: ClassVar[str] = ""

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        """Output types of input types.

        Raises:
            TypeMismatch: naming the operand, what was got and what was wanted.
        """
        raise NotImplementedError(f"{type(self).__name__}.infer")

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        """The definition of what the operator means, in NumPy."""
        raise NotImplementedError(f"{type(self).__name__}.eval")

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        """Vector-Jacobian product: for each input a thunk that builds its gradient, or None.

        ``grads`` holds one gradient for each output, None where the output has none. Each thunk
        returns an operand of its input's type.
        """
        raise NotImplementedError(f"{type(self).__name__}.vjp")

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """The same outputs from simpler operators."""
        raise NotImplementedError(f"{type(self).__name__}.decompose")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Test inputs, edge shapes and ties included."""
        raise NotImplementedError(f"{cls.__name__}.samples")

    @property
    def backward_name(self) -> str:
        """What the tape calls its gradient rule."""
        return f"{type(self).__name__}Backward0"

    @classmethod
    def defines(cls, member: str) -> bool:
        """True if the class (or a base below ``Op``) has its own ``member``."""
        return getattr(cls, member) is not getattr(Op, member) and not (
            hasattr(getattr(cls, member), "__func__")
            and getattr(cls, member).__func__ is getattr(Op, member).__func__
        )


def apply(op: Op, *operands: O, like: O | None = None) -> tuple[O, ...]:
    """Applies ``op``: the operands' kind decides whether a node is built or an array computed.

    ``like`` stands in where the operator has no inputs.
    """
    first = operands[0] if operands else like
    if first is None:
        raise ValueError(f"{op.name} has no operand: say which kind is meant with like=")
    return first.apply(op, operands)


def apply1(op: Op, *operands: O, like: O | None = None) -> O:
    """``apply`` for an operator with one output."""
    (out,) = apply(op, *operands, like=like)
    return out

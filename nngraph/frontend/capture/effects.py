"""What a call leaves behind besides new states: a list of effects, each with its own type.

Effects on tensors that the code met hold them weakly: one that the code itself made, and that is
gone after it, has nobody to see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import ref

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.gradients import is_plain
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.record import Handle
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import EAGER
from nngraph.ir.op import Array

__all__ = [
    "ArgumentGradient",
    "ArgumentWritten",
    "Call",
    "Effect",
    "GradientSet",
    "GradientsCleared",
    "LeavesSet",
    "ModesSet",
    "Returned",
    "SizeReturned",
]


@dataclass(eq=False)
class Call:
    """One call whose graph has run.

    Attributes:
        outputs: of the graph.
        passed: the tensor arguments, in the order of the graph's inputs.
        leaves: of the result; None where a tensor goes.
    """

    outputs: Sequence[Array]
    passed: Sequence[Any]
    leaves: list[Any]


class Effect(Protocol):
    """One thing that a call leaves behind."""

    def apply(self, call: Call) -> None:
        """Does it."""
        ...


@dataclass(frozen=True)
class Returned:
    """An output is a leaf of the result."""

    output: int
    leaf: int

    def apply(self, call: Call) -> None:
        call.leaves[self.leaf] = _tensor(call.outputs[self.output])


@dataclass(frozen=True)
class ArgumentWritten:
    """An output is what the code made of an argument in place."""

    output: int
    argument: int

    def apply(self, call: Call) -> None:
        argument, array = call.passed[self.argument], call.outputs[self.output]
        if isinstance(argument, TensorBase):
            EAGER.write(argument._storage, argument._path, array)
        else:
            np.copyto(argument, array)


@dataclass(frozen=True)
class GradientSet:
    """An output is the gradient of a tensor that is no argument, if that still exists."""

    output: int
    owner: ref[TensorBase]

    def apply(self, call: Call) -> None:
        tensor = self.owner()
        if tensor is not None:
            before, gradient = tensor._grad, _tensor(call.outputs[self.output])
            if before is not None and is_plain(before) and before.type == gradient.type:
                tensor._grad = gradient  # no trace could tell the two apart
            else:
                EAGER.set_grad(tensor, gradient)


@dataclass(frozen=True)
class SizeReturned:
    """An output is a size among the leaves of the result."""

    output: int
    leaf: int

    def apply(self, call: Call) -> None:
        call.leaves[self.leaf] = int(call.outputs[self.output])


@dataclass(frozen=True)
class GradientsCleared:
    """Tensors have no gradient after the call."""

    owners: tuple[ref[TensorBase], ...]

    def apply(self, call: Call) -> None:
        for owner in self.owners:
            tensor = owner()
            if tensor is not None and tensor._grad is not None:
                EAGER.set_grad(tensor, None)


@dataclass(frozen=True)
class ArgumentGradient:
    """An output is added to an argument's gradient, as ``backward`` does.

    That is a leaf's ``grad``; otherwise it goes on through what the argument was made from.
    """

    output: int
    argument: int

    def apply(self, call: Call) -> None:
        argument = call.passed[self.argument]
        if isinstance(argument, TensorBase):
            gradient = _tensor(call.outputs[self.output])
            if argument.is_leaf:
                argument._accumulate(gradient, create_graph=False)
            else:
                argument.backward(gradient)


@dataclass(frozen=True)
class LeavesSet:
    """Tensors that are no arguments require gradients from here on, or none."""

    chosen: tuple[tuple[ref[Handle], bool], ...]

    def apply(self, call: Call) -> None:
        for owner, requires_grad in self.chosen:
            tensor = owner()
            if tensor is not None and requires_grad is not (tensor._edge is not None):
                EAGER.set_leaf(tensor, requires_grad)


@dataclass(frozen=True)
class ModesSet:
    """Modules are in training mode from here on, or in evaluation mode."""

    chosen: tuple[tuple[ModuleLike, bool], ...]

    def apply(self, call: Call) -> None:
        for module, mode in self.chosen:
            EAGER.set_training(module, mode)


def _tensor(array: Array) -> Tensor:
    return Tensor(Storage(array))

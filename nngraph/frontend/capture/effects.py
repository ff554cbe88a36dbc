"""What a call leaves behind besides new states: a list of effects, each with its own type.

Effects on tensors that the code met hold them weakly: one that the code itself made, and that is
gone after it, has nobody to see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import ref

import numpy as np

from nngraph.frontend.backward import leaves_of
from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.boxes import ABSENT, Box, Kind, Place
from nngraph.frontend.capture.gradients import is_plain
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.record import Handle, Leaf
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import EAGER
from nngraph.ir.op import Array

__all__ = [
    "ArgumentFlag",
    "ArgumentGradient",
    "ArgumentJoined",
    "ArgumentWritten",
    "Call",
    "Effect",
    "FirstCall",
    "GradientSet",
    "GradientsCleared",
    "LeafReturned",
    "LeavesSet",
    "ListGrown",
    "ListReplaced",
    "Looked",
    "ModesSet",
    "NumberReturned",
    "PlaceSet",
    "Recipe",
    "Refilled",
    "Returned",
    "SizeReturned",
    "host_array",
]


@dataclass(eq=False)
class Call:
    """One call whose graph has run.

    Attributes:
        outputs: of the graph.
        passed: the tensor arguments, in the order of the graph's inputs.
        leaves: of the result; None where a tensor goes.
        values: what the steps of the program before the graph gave.
        made: what recipes made so far that may be at several places.
    """

    outputs: Sequence[Array]
    passed: Sequence[Any]
    leaves: list[Any]
    values: Sequence[Any] = ()
    made: dict[int, Any] = field(default_factory=dict)
    _storages: dict[int, Storage] = field(default_factory=dict)

    def storage(self, output: int) -> Storage:
        """The storage of an output: one for all who show it."""
        if output not in self._storages:
            self._storages[output] = Storage(self.outputs[output])
        return self._storages[output]

    def tensor(self, output: int) -> Tensor:
        """A tensor of an output."""
        return Tensor(self.storage(output))


def host_array(value: Any) -> Array:
    """What a tensor or an array that is passed holds, in this machine's order of bytes."""
    if isinstance(value, TensorBase):
        held: Array = value._read(EAGER)
        return held
    array = np.asarray(value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


#: Makes a value of Python's in a call.
Recipe = Callable[[Call], Any]


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
        call.leaves[self.leaf] = call.tensor(self.output)


@dataclass(frozen=True)
class LeafReturned:
    """A tensor of the result is a leaf that requires a gradient: the code made it one."""

    leaf: int

    def apply(self, call: Call) -> None:
        tensor = call.leaves[self.leaf]
        tensor._edge = Leaf(tensor)


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
            before, gradient = tensor._grad, call.tensor(self.output)
            if before is not None and is_plain(before) and before.aval == gradient.aval:
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
class Looked:
    """The tensors whose gradients the code asked for: arguments by position, and others."""

    arguments: tuple[int, ...] = ()
    others: tuple[ref[Any], ...] = ()


@dataclass(frozen=True)
class ArgumentGradient:
    """An output is what ``backward`` gave an argument: a leaf's ``grad``.

    Otherwise it goes on through what the argument was made from.

    Attributes:
        output: None where the code left no gradient.
        argument: whose it is.
        replaces: whether the argument had a gradient, which it has no more.
        looked: whose gradients the code asked for.
    """

    output: int | None
    argument: int
    replaces: bool = False
    looked: Looked = field(default=Looked(), compare=False)

    def check(self, passed: Sequence[Any], name: str) -> None:
        """Looks for gradients that the code asked for, and that this one would have reached.

        Raises:
            RuntimeError: if the argument was made of a tensor whose gradient the code looked at.
        """
        argument = passed[self.argument]
        if isinstance(argument, TensorBase) and not argument.is_leaf:
            reached = leaves_of(argument)
            arguments = [passed[position] for position in self.looked.arguments]
            if any(id(t) in reached for t in (*arguments, *(o() for o in self.looked.others))):
                raise RuntimeError(
                    f"argument {name!r} was made outside of a tensor whose gradient the function "
                    f"looks at: backward inside ends at {name!r} and goes on after the call. "
                    f"Compute {name!r} inside the function, or pass {name}.detach()"
                )

    def apply(self, call: Call) -> None:
        argument = call.passed[self.argument]
        if isinstance(argument, TensorBase):
            if self.replaces:
                EAGER.set_grad(argument, None)
            if self.output is None:
                return
            gradient = call.tensor(self.output)
            if argument.is_leaf:
                argument._accumulate(gradient, create_graph=False)
            else:
                argument.backward(gradient)


@dataclass(frozen=True)
class ArgumentFlag:
    """An argument requires a gradient from here on, or none.

    Attributes:
        argument: which.
        requires_grad: what it is after the call; None where that is what it was before.
        switched: whether the code set it to False meanwhile, which is for leaves only.
    """

    argument: int
    requires_grad: bool | None
    switched: bool

    def check(self, passed: Sequence[Any], name: str) -> None:
        """Looks whether the argument is a leaf, if it has to be.

        Raises:
            RuntimeError: if not.
        """
        argument = passed[self.argument]
        if self.switched and isinstance(argument, TensorBase) and not argument.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables; argument "
                f"{name!r} was made by recorded operators: pass {name}.detach()"
            )

    def apply(self, call: Call) -> None:
        argument = call.passed[self.argument]
        if self.requires_grad is not None and isinstance(argument, TensorBase):
            EAGER.set_leaf(argument, self.requires_grad)


@dataclass(frozen=True)
class ArgumentJoined:
    """What the code wrote to an argument has a history, which becomes the argument's."""

    argument: int

    def check(self, passed: Sequence[Any], name: str) -> None:
        """Looks whether the argument can have a history of its own.

        Raises:
            RuntimeError: if not.
        """
        argument = passed[self.argument]
        if not isinstance(argument, TensorBase) or argument._view is not None:
            kind = "view of another tensor" if isinstance(argument, TensorBase) else "NumPy array"
            raise RuntimeError(
                f"the function writes something that requires gradients to argument {name!r}, a "
                f"{kind}, which would not hear of it: pass {name}.clone(), or return the result"
            )

    def apply(self, call: Call) -> None:
        """The entry of the call did it."""


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


@dataclass(eq=False)
class FirstCall:
    """A trace serves one call.

    Attributes:
        only: what its code does in this call and in no other, a line each.
        is_over: whether there was a call.
    """

    only: list[str] = field(default_factory=list)
    is_over: bool = False

    def apply(self, call: Call) -> None:
        self.is_over = True


@dataclass(frozen=True)
class NumberReturned:
    """A number that the program before the graph gave is a leaf of the result."""

    slot: int
    leaf: int

    def apply(self, call: Call) -> None:
        call.leaves[self.leaf] = call.values[self.slot]


@dataclass(frozen=True, eq=False)
class PlaceSet:
    """A place of Python's objects has another value after the call.

    Attributes:
        tells: whether traces rely on what is there, so that the object has to hear of it.
    """

    place: Place
    recipe: Recipe
    tells: bool = False

    def apply(self, call: Call) -> None:
        value, box, key = self.recipe(call), self.place.box, self.place.key
        if not self.tells:
            self.place.set(value)
        elif box.kind is Kind.ITEMS:
            box.target.pop(key) if value is ABSENT else box.target.__setitem__(key, value)
        elif value is ABSENT:
            delattr(box.owner, key)
        else:
            setattr(box.owner, key, value)


@dataclass(frozen=True, eq=False)
class ListGrown:
    """A list has more items at its end after the call."""

    box: Box
    items: tuple[Recipe, ...]

    def apply(self, call: Call) -> None:
        self.box.target.extend([item(call) for item in self.items])


@dataclass(frozen=True, eq=False)
class ListReplaced:
    """A list has other items after the call, and another number of them."""

    box: Box
    items: tuple[Recipe, ...]

    def apply(self, call: Call) -> None:
        items = [item(call) for item in self.items]
        self.box.target.clear()
        self.box.target.extend(items)


@dataclass(frozen=True, eq=False)
class Refilled:
    """A list or dict that was found at a place has other contents after the call."""

    slot: int
    name: str
    keys: tuple[Any, ...]
    items: tuple[Recipe, ...]

    def apply(self, call: Call) -> None:
        holder, items = call.values[self.slot], [item(call) for item in self.items]
        holder.clear()
        if isinstance(holder, dict):
            holder.update(zip(self.keys, items, strict=True))
        else:
            holder.extend(items)

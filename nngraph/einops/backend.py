"""nngraph as a framework of einops: found there by being a subclass."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from einops._backends import AbstractBackend

from nngraph.frontend.functional.contraction import einsum
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.joining import cat, stack
from nngraph.frontend.tensor import Tensor

__all__ = ["NNGraphBackend"]


class NNGraphBackend(AbstractBackend):  # type: ignore[misc]
    """What einops asks of a framework; sizes may be symbolic."""

    framework_name = "nngraph"

    def is_appropriate_type(self, tensor: object) -> bool:
        """Whether it is a tensor of nngraph."""
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: Any) -> Tensor:
        """A tensor; of floating point numbers it requires grad, as PyTorch's backend has it."""
        made = tensor(x)
        return made.requires_grad_() if made.dtype.is_floating_point else made

    def to_numpy(self, x: Tensor) -> Any:
        """The elements."""
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Tensor:
        """Integers."""
        return arange(start, stop)

    def shape(self, x: Tensor) -> Sequence[Any]:
        """The sizes: a list where one is symbolic, so that einops keeps no recipe for it."""
        sizes = x.shape
        return sizes if all(isinstance(size, int) for size in sizes) else list(sizes)

    def reduce(self, x: Tensor, operation: str, axes: Sequence[int]) -> Tensor:
        """``min``, ``max``, ``sum``, ``mean``, ``prod``, ``any`` or ``all`` along axes."""
        if operation in ("min", "max"):
            return x.amin(axes) if operation == "min" else x.amax(axes)
        if operation in ("sum", "mean"):
            return x.sum(axes) if operation == "sum" else x.mean(axes)
        if operation not in ("prod", "any", "all"):
            raise NotImplementedError("Unknown reduction ", operation)
        for axis in sorted(axes, reverse=True):
            x = getattr(x, operation)(axis)
        return x

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """The axes in another order."""
        return x.permute(*axes)

    def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
        """The tensors along a new first axis."""
        return stack(tensors)

    def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, Any]) -> Tensor:
        """New axes of given lengths, along which all is equal."""
        sizes: list[Any] = [-1] * n_axes
        for position, length in pos2len.items():
            x = self.add_axis(x, position)
            sizes[position] = length
        return x.expand(*sizes)

    def add_axis(self, x: Tensor, new_position: int) -> Tensor:
        """A new axis of size 1."""
        return x.unsqueeze(new_position)

    def tile(self, x: Tensor, repeats: Sequence[int]) -> Tensor:
        """The tensor, repeated."""
        return x.repeat(*repeats)

    def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
        """The tensors one after the other."""
        return cat(tensors, axis)

    def is_float_type(self, x: Tensor) -> bool:
        """Whether means can be taken."""
        return x.dtype.is_floating_point

    def layers(self) -> ModuleType:
        """The module of the layers."""
        return importlib.import_module("nngraph.einops.layers")

    def einsum(self, pattern: str, *x: Tensor) -> Tensor:
        """Sums of products."""
        return einsum(pattern, *x)

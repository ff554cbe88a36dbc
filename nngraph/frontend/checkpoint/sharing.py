"""Tensors that share memory, which is written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from nngraph.frontend.functional.access import elements
from nngraph.frontend.storage import Elements
from nngraph.frontend.tape import root_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.views import is_row_major, offset_of
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array

__all__ = ["Group", "Met"]


@dataclass(frozen=True)
class Met:
    """A tensor of a nest.

    Attributes:
        tensor: the tensor.
        node: what stands for it, filled by its group.
        name: what its place in the nest makes its name.
    """

    tensor: Tensor
    node: list[Any]
    name: str


class Group:
    """The tensors that show the same elements.

    Args:
        shown: the elements, kept so that no other ones take their place in memory.
    """

    def __init__(self, shown: Elements) -> None:
        self._shown = shown
        self._met: list[Met] = []

    def add(self, met: Met) -> None:
        """One more."""
        self._met.append(met)

    def write(self, arrays: dict[str, Array], names: UniqueNames) -> None:
        """Adds their memory to ``arrays``, and says in each node where its elements are."""
        first = self._met[0]
        if len({_place(m.tensor) for m in self._met}) == 1:
            name = names.fresh(first.name)
            arrays[name] = elements(first.tensor, "ng.save")
            for count, met in enumerate(self._met):
                met.node[:] = ["tensor", name, count] if count else ["tensor", name]
            return
        root = cast("Tensor", root_of(first.tensor))
        memory = elements(root, "ng.save")
        whole = [m for m in self._met if _is_whole(m.tensor, memory)]
        name = names.fresh(whole[0].name if whole else f"{first.name}.storage")
        shape = tuple(whole[0].tensor.shape) if whole else (-1,)
        arrays[name] = memory.reshape(shape)
        for count, met in enumerate(self._met):
            size, stride, offset = _place(met.tensor)
            same = whole and _is_whole(met.tensor, memory) and size == shape
            met.node[:] = (
                ["tensor", name, count] if same else ["view", name, offset, size, stride, count]
            )


def _place(tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """What of its memory a tensor shows: size, strides, offset."""
    root = cast("Tensor", root_of(tensor))
    offset = offset_of(tensor._path, root.aval.shape)
    return tuple(map(int, tensor.shape)), tuple(tensor.stride()), cast("int", offset)


def _is_whole(tensor: Tensor, memory: Array) -> bool:
    size, stride, offset = _place(tensor)
    return offset == 0 and tensor.numel() == memory.size and is_row_major(size, stride)

"""Where the elements of tensors are: storages, and paths to the parts that views show."""

from __future__ import annotations

from typing import Any

from nngraph.ir.graph import Value
from nngraph.ir.op import Array, Op
from nngraph.ir.types import TensorType, type_of_array

__all__ = ["Elements", "Path", "Payload", "Storage"]

#: What operators compute with: arrays eagerly, values of the graph while tracing.
Payload = Any


class Elements:
    """What a storage holds: an array, or in a trace the graph value that stands for it.

    Overwriting raises ``version``, so that the tape sees that what it saved is gone. An assignment
    that is recorded gives the storage new elements instead: the tape may read the old ones.

    Attributes:
        left: whether a recorded assignment gave the storage new elements.
        part: the view that it assigned to, if any. What the tape saved of other views counts as
            overwritten then, as in PyTorch.
    """

    __slots__ = ("array", "left", "part", "value", "version")

    def __init__(self, array: Array | None, value: Value | None = None, version: int = 0) -> None:
        self.array = array
        self.value = value
        self.version = version
        self.left = False
        self.part: Path | None = None

    def keeps(self, path: Path | None) -> bool:
        """Whether the tape may read what a view at ``path`` showed."""
        if path is None or not self.left:
            return True
        while path is not None and path is not self.part:
            path = path.under
        return path is not None


class Storage:
    """The memory of a tensor, of all its views and of what ``detach`` makes of them.

    Attributes:
        elements: what it holds now, apart from what a trace in progress makes of it.
        type: of the whole storage.
    """

    __slots__ = ("__weakref__", "elements", "type")

    def __init__(self, array: Array | None, value: Value | None = None) -> None:
        self.elements = Elements(array, value)
        if value is not None:
            self.type = value.type
        else:
            assert array is not None
            self.type = type_of_array(array)

    @classmethod
    def over(cls, elements: Elements, kind: TensorType) -> Storage:
        """A storage of elements that another one held, or still holds."""
        made = cls.__new__(cls)
        made.elements, made.type = elements, kind
        return made

    @property
    def array(self) -> Array | None:
        """The array; None if only a trace knew the elements."""
        return self.elements.array

    @array.setter
    def array(self, array: Array) -> None:
        """The same elements in another place in memory."""
        self.elements.array = array

    @property
    def version(self) -> int:
        """How often the elements were overwritten."""
        return self.elements.version

    def exchange(self, array: Array) -> None:
        """Overwrites the elements by taking another array."""
        elements = self.elements
        elements.array = array
        elements.version += 1


class Path:
    """How a view is read: output ``index`` of an operator on the storage or on a view under it.

    Attributes:
        under: the path of the view that it is taken from; None for the whole storage.
        type: of what it shows.
        source, shown: the storage's array when it was last read eagerly, and what was there.
    """

    __slots__ = ("index", "op", "shown", "source", "type", "under")

    def __init__(self, under: Path | None, op: Op, index: int, kind: TensorType) -> None:
        self.under = under
        self.op = op
        self.index = index
        self.type = kind
        self.source: Array | None = None
        self.shown: Array | None = None

    def read(self, array: Array) -> Array:
        """The part of a storage's array that the view shows; memory is shared."""
        if self.source is not array or self.shown is None:
            under = array if self.under is None else self.under.read(array)
            self.shown, self.source = self.op.eval(under)[self.index], array
        return self.shown

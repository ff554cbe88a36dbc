"""``grad`` attributes while tracing: what the code finds in them, and what it leaves."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np

from nngraph.frontend.record import Handle, Leaf
from nngraph.frontend.storage import Storage
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType

__all__ = ["GradNote", "GradSlot", "NewGradSlot", "is_plain", "key_of_gradient"]


@dataclass(eq=False)
class GradNote:
    """One tensor's ``grad`` in a trace.

    Attributes:
        tensor: whose it is.
        now: what it is now.
        found: what the code found there, if it read it before it set it.
        was_read: whether it did.
        was_used: whether it did something else with what it found than to add to it, or to clear
            it.
    """

    tensor: Handle
    now: Any
    found: Any
    was_read: bool
    was_used: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether a call leaves something else there than it found."""
        return not self.was_read or self.now is not self.found


class GradSlot:
    """The storage of whatever gradient a tensor has at the time.

    A gradient that was taken out of its place may still be somebody's. It gets its own array then,
    since the backend goes on writing to the one that it had.
    """

    __slots__ = ("_written", "tensor")

    def __init__(self, tensor: Handle) -> None:
        self.tensor = tensor
        self._written: ref[Storage] | None = None

    @property
    def _storage(self) -> Storage:
        gradient = self.tensor._grad
        assert gradient is not None, "a guard traces again where the gradient is None"
        storage: Storage = gradient._storage
        return storage

    @property
    def type(self) -> TensorType:
        return self._storage.type

    @property
    def array(self) -> Array | None:
        storage = self._storage
        before = self._written() if self._written is not None else None
        if before is not None and before is not storage and before.array is not None:
            before.array = before.array.copy()
            self._written = None
        return storage.array

    @array.setter
    def array(self, array: Array) -> None:
        self._storage.array = array
        self._written = ref(self._storage)

    @property
    def key(self) -> Hashable:
        """See ``Storage``."""
        return key_of_gradient(self.tensor)

    def held(self) -> None:
        """The gradient may be another at each call."""

    def exchange(self, array: Array) -> None:
        """Overwrites the gradient by taking another array."""
        storage = self._storage
        storage.exchange(array)
        self._written = ref(storage)

    def fits(self, kind: TensorType, requires_grad: bool) -> bool:
        """Whether a gradient is there that can be told by its place: whole, without history."""
        now = self.tensor._grad
        if now is None:
            return False
        now._storage.watched = True
        if now.aval != kind or now._view is not None:
            return False
        return isinstance(now._edge, Leaf) if requires_grad else now._edge is None


class NewGradSlot(GradSlot):
    """Where a gradient is, of a tensor that has none before the first call.

    Sums start at -0.0, the one number that changes no number which is added to it.
    """

    __slots__ = ()

    @property
    def type(self) -> TensorType:
        return self.tensor.aval

    @property
    def array(self) -> Array | None:
        kind = self.tensor.aval
        return np.full(kind.static_shape, -0.0, kind.dtype.numpy)

    @array.setter
    def array(self, array: Array) -> None:
        raise AssertionError("a file alone starts from it")


def key_of_gradient(tensor: Handle) -> Hashable:
    """The key of ``tensor.grad`` as a place that calls in several threads may share."""
    return "grad", id(tensor._storage)


def is_plain(gradient: Handle) -> bool:
    """Whether the gradient is whole and has no history."""
    return gradient._view is None and gradient._edge is None

"""Where the elements of tensors are: storages, and paths to the parts that views show."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakSet, ref

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.ir.graph import Value
from nngraph.ir.op import Array, Op
from nngraph.ir.types import TensorType, type_of_array

__all__ = ["Elements", "Path", "Payload", "Storage"]

#: What operators compute with: arrays eagerly, values of the graph while tracing.
Payload = Any


class _Holder:
    """Lives as long as somebody holds what a storage lent."""

    __slots__ = ("__weakref__",)


class _Loan:
    """Lent memory: NumPy's array of it, and all views of that, keep the loan alive."""

    __slots__ = ("_array", "_holder")

    def __init__(self, array: Array, holder: _Holder) -> None:
        self._array = array
        self._holder = holder

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._array.__array_interface__


class Elements:
    """What a storage holds: an array, or in a trace the graph value that stands for it.

    Overwriting raises ``version``, so that the tape sees that what it saved is gone. An assignment
    that is recorded gives the storage new elements instead: the tape may read the old ones.

    Backends exchange the array for their own. One that others hold - it came from them, or
    ``lend`` gave it away and somebody still has it - stays where it is and is written instead.

    Attributes:
        left: whether a recorded assignment gave the storage new elements.
        part: the view that it assigned to, if any. What the tape saved of other views counts as
            overwritten then, as in PyTorch.
        rebound: an assignment to ``data`` of the tensor that showed them.
    """

    __slots__ = (
        "__weakref__",
        "_exchanged",
        "_held",
        "array",
        "left",
        "part",
        "rebound",
        "value",
        "version",
    )

    def __init__(self, array: Array | None, value: Value | None = None, version: int = 0) -> None:
        self.array = array
        self.value = value
        self.version = version
        self.left = False
        self.part: Path | None = None
        self.rebound: Rebound | None = None
        self._held: ref[_Holder] | bool = False  # True: for good
        self._exchanged = False  # whether a backend writes to the array again

    def after(self, array: Array | None) -> Elements:
        """What a storage holds that gets other elements in the same place."""
        made = Elements(array, None, self.version + 1)
        made._held, made._exchanged = self._held, self._exchanged
        self._held = self._exchanged = False
        return made

    @property
    def is_held(self) -> bool:
        """Whether others hold the array, too."""
        held = self._held
        return held if isinstance(held, bool) else held() is not None

    def share(self) -> None:
        """Others hold the array for good."""
        self._own()
        self._held = True

    def lend(self, path: Path | None) -> Array:
        """The part at a path, for others: as long as they hold it, they see what is written."""
        held = self._held
        holder = None if isinstance(held, bool) else held()
        if holder is None and held is not True:
            self._own()
            holder = _Holder()
            self._held = ref(holder)
        assert self.array is not None, "only eager storages are lent"
        part = self.array if path is None else path.read(self.array)
        if holder is None:
            return part
        lent = np.asarray(_Loan(part, holder))
        return lent if lent.dtype == part.dtype else lent.view(part.dtype)

    def _own(self) -> None:
        """Leaves an array that a backend will write to again."""
        if self._exchanged and self.array is not None:
            self.array = aligned_copy(self.array)
            self._exchanged = False

    def exchange(self, array: Array) -> None:
        """Overwrites the elements, by taking another array if nobody else holds this one."""
        if self._held and self.is_held:
            assert self.array is not None, "others hold it"
            if self.array is not array:
                np.copyto(self.array, array)
        elif self.array is not array:
            self.array = array
            self._exchanged = True
        self.version += 1

    def keeps(self, path: Path | None) -> bool:
        """Whether the tape may read what a view at ``path`` showed."""
        if path is None or not self.left:
            return True
        while path is not None and path is not self.part:
            path = path.under
        return path is not None


class Rebound:
    """An assignment of other elements to a storage, which the tape does not hear of.

    Attributes:
        storage: whose elements these were.
        version: of the elements then.
        now: what the storage holds since.
        since: their version then.
    """

    __slots__ = ("now", "since", "storage", "version")

    def __init__(self, storage: Storage, before: Elements, now: Elements) -> None:
        self.storage = storage
        self.version = before.version
        self.now = now
        self.since = now.version


class Storage:
    """The memory of a tensor, of all its views and of what ``detach`` makes of them.

    Several storages may hold the same elements: a tensor's and that of its ``data``, so that the
    tensor can get other elements while its old ``data`` keeps these.

    Attributes:
        elements: what it holds now, apart from what a trace in progress makes of it.
        type: of the whole storage.
        quiet: whether the tape does not hear of writes, as of those to ``data``.
        twins: all storages that were made of each other by ``twin``, this one included.
        shown: the tensors that show it, as weak references; or the only one so far.
        inference: whether code in inference mode made it; what is recorded can't use it then.
        watched: whether a trace relies on something about it, or on a tensor that shows it; then
            ``structure`` has to hear of changes other than of values.
    """

    __slots__ = (
        "__weakref__",
        "elements",
        "inference",
        "quiet",
        "shown",
        "twins",
        "type",
        "watched",
    )

    def __init__(self, array: Array | None, value: Value | None = None) -> None:
        self.elements = Elements(array, value)
        self.quiet = self.watched = self.inference = False
        self.twins: WeakSet[Storage] | None = None
        self.shown: ref[Any] | list[ref[Any]] | None = None
        if value is not None:
            self.type = value.type
        else:
            assert array is not None
            self.type = type_of_array(array)

    @classmethod
    def over(cls, elements: Elements, kind: TensorType, quiet: bool = False) -> Storage:
        """A storage of elements that another one held, or still holds."""
        made = cls.__new__(cls)
        made.elements, made.type, made.quiet = elements, kind, quiet
        made.watched = made.inference = False
        made.twins = made.shown = None
        return made

    def twin(self) -> Storage:
        """A storage of the same elements, writes to which the tape does not hear of."""
        made = Storage.over(self.elements, self.type, quiet=True)
        made.inference = self.inference
        self.join(made)
        return made

    def show(self, tensor: Any) -> None:
        """One more tensor shows it."""
        shown = self.shown
        if shown is None:
            self.shown = ref(tensor)
        elif isinstance(shown, list):
            shown.append(ref(tensor))
            if len(shown) % 64 == 0:
                count = len(shown)  # what another thread adds meanwhile comes after these
                shown[:count] = [r for r in shown[:count] if r() is not None]
        else:
            self.shown = [shown, ref(tensor)]

    def is_first(self, tensor: Any) -> bool:
        """Whether the storage was made for this tensor: others show it, too."""
        shown = self.shown
        first = shown[0] if isinstance(shown, list) else shown
        return first is not None and first() is tensor

    def tensors(self) -> list[Any]:
        """The tensors that show it, as long as there are any, the first first."""
        shown = self.shown if isinstance(self.shown, list) else [self.shown] if self.shown else []
        return [found for r in shown if (found := r()) is not None and found._storage is self]

    def rebind(self, elements: Elements, kind: TensorType) -> None:
        """Other elements; twins keep these."""
        before = self.elements
        if elements is not before:
            before.rebound = Rebound(self, before, elements)
        self.elements, self.type = elements, kind

    def join(self, other: Storage) -> None:
        """They hold the same elements from here on."""
        twins = self.twins or WeakSet((self,))
        for each in other.twins or (other,):
            twins.add(each)
            each.twins = twins
        self.twins = twins

    def part(self, tensors: Sequence[Any], elements: Elements) -> Storage:
        """These tensors keep the elements, in the storage of their own that this gives."""
        left = Storage.over(elements, self.type, self.quiet)
        left.join(self)
        for each in tensors:
            each._moved(left)
        return left

    def leave(self, tensor: Any) -> Callable[[], None] | None:
        """Gives a tensor that shows all of it elements that nothing else shows.

        Returns:
            What takes it back; None if nothing else did: no tensor, not NumPy, and no twin.
        """
        others, before = [t for t in self.tensors() if t is not tensor], self.elements
        if not others and not self.is_held and not self.alike():
            return None
        if others:
            self.part(others, before)
        assert before.array is not None, "only eager storages are left"
        self.rebind(Elements(aligned_copy(before.array)), self.type)

        def again() -> None:
            self.elements, before.rebound = before, None
            for each in others:
                each._moved(self)

        return again

    def alike(self) -> list[Storage]:
        """The other twins that hold the same elements."""
        twins = self.twins or ()
        return [t for t in twins if t is not self and t.elements is self.elements]

    @property
    def array(self) -> Array | None:
        """The array; None if only a trace knew the elements."""
        return self.elements.array

    @array.setter
    def array(self, array: Array) -> None:
        """The same elements in another place in memory, if nobody else holds the array."""
        if not self.is_held:
            self.elements.array = array

    @property
    def key(self) -> Hashable:
        """Of the place, among those that calls in several threads must not write at once."""
        return id(self)

    @property
    def is_held(self) -> bool:
        """Whether others hold the array, too."""
        return self.elements.is_held

    def share(self) -> None:
        """Others hold the array for good."""
        self.elements.share()

    def held(self) -> Elements:
        """Where the array is, until ``structure`` changes."""
        return self.elements

    @property
    def version(self) -> int:
        """How often the elements were overwritten."""
        return self.elements.version

    def exchange(self, array: Array) -> None:
        """Overwrites the elements, by taking another array if nobody else holds this one."""
        self.elements.exchange(array)


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

"""The files that ``torch.save`` wrote before PyTorch 1.6: pickles, then the storages' bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_empty
from nngraph.ir.dtypes import DType
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError, bools_of
from nngraph.runtime.torchfile.checks import need_values
from nngraph.runtime.torchfile.machine import Machine
from nngraph.runtime.torchfile.names import Library
from nngraph.runtime.torchfile.source import Source
from nngraph.runtime.torchfile.values import Budget, Builder, StorageType, Stored, need_int

__all__ = ["read_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_legacy(source: Source, builder: Builder) -> Any:
    """The value in a file of the old format; the file it is in goes on behind it.

    Raises:
        CheckpointError: if it is damaged, or holds what is no data.
    """
    return _Legacy(source, builder).value()


def _nothing(_value: Any, _state: Any = None) -> Any:
    raise CheckpointError("its first pickles hold more than numbers")


class _Legacy:
    def __init__(self, source: Source, builder: Builder) -> None:
        self._source = source
        self._raw = source.read(0, source.size)
        self._at = 0
        self._budget = Budget(source.size)
        self._library = Library(builder, self._budget)
        self._stored: dict[str, Stored] = {}
        self._builder = builder

    def value(self) -> Any:
        try:
            magic = self._plain()
        except CheckpointError as error:
            raise CheckpointError(f"it is no file of torch.save's ({error})") from None
        if magic != _MAGIC or type(magic) is not int:
            raise CheckpointError(
                "it is a pickle, but not one of torch.save's: its first value is not their number"
            )
        version = self._plain()
        if version != _VERSION:
            raise CheckpointError(f"it is of version {version!r:.40} of torch.save's old format")
        swapped = self._is_swapped(self._plain())
        machine = Machine(self._raw, self._library, self.stored, self._library.build, self._at)
        value = machine.run()
        self._at = machine.at
        try:
            need_values(value)
            self._fill(self._plain(), swapped)
        except CheckpointError:
            machine.drop()
            raise
        self._source.leave(self._at)
        return value

    def _plain(self) -> Any:
        machine = Machine(self._raw, _nothing, _nothing, _nothing, self._at)
        value = machine.run()
        self._at = machine.at
        return value

    def _is_swapped(self, info: Any) -> bool:
        little = info.get("little_endian", True) if type(info) is dict else None
        if type(little) is not bool:
            raise CheckpointError("it does not say which byte order it has")
        return not little

    # -- storages --------------------------------------------------------------------------------

    def stored(self, identity: Any) -> Stored:
        """The storage that a persistent id names."""
        if type(identity) is not tuple or len(identity) != 6 or identity[0] != "storage":
            raise CheckpointError(f"a persistent id is {identity!r:.60}")
        _, kind, key, location, count, view = identity
        if not isinstance(kind, StorageType):
            name = getattr(kind, "name", type(kind).__name__)
            raise CheckpointError(f"a storage is of {name}, which nngraph has no tensors of")
        if type(key) is not str or len(key) > 64 or type(location) is not str:
            raise CheckpointError(f"a storage's name is {key!r:.60}")
        if view is not None:
            raise CheckpointError("a storage is a part of another, as in files before PyTorch 0.4")
        found = self._stored.get(key)
        if found is None:
            found = Stored(key, kind.dtype, need_int(count, "a storage's size"), self._read)
            self._stored[key] = found
            self._builder.located(found, location)
        return found

    def _read(self, stored: Stored, dtype: DType) -> Array:
        """Memory for elements that come behind the pickle."""
        size = stored.nbytes
        if size > self._source.size - self._at:
            raise CheckpointError(f"storage {stored.key!r} is larger than the file")
        self._budget.take(size)
        return aligned_empty((size // dtype.itemsize,), dtype.numpy)

    def _fill(self, keys: Any, swapped: bool) -> None:
        if type(keys) is not list or any(type(k) is not str for k in keys):
            raise CheckpointError("the list of its storages is damaged")
        for key in keys:
            count = int.from_bytes(self._take(8), "little" if not swapped else "big", signed=True)
            stored = self._stored.pop(key, None)
            if stored is None or stored.count != count:
                raise CheckpointError(f"storage {key!r:.60} is of another size, or of no tensor")
            self._fill_one(stored, swapped)
        if any(stored.array is not None for stored in self._stored.values()):
            raise CheckpointError(f"the elements of {len(self._stored)} storages are missing")

    def _fill_one(self, stored: Stored, swapped: bool) -> None:
        raw = self._take(stored.nbytes)
        if stored.array is not None:
            np.copyto(stored.array, bools_of(np.frombuffer(raw, stored.array.dtype)))
            if swapped:
                stored.array.byteswap(inplace=True)

    def _take(self, count: int) -> Any:
        part = self._raw[self._at : self._at + count]
        if len(part) != count:
            raise CheckpointError("it ends early: the elements of a storage are missing")
        self._at += count
        return part

"""The zip files of ``torch.save`` since PyTorch 1.6."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_empty, is_aligned
from nngraph.ir.dtypes import DType
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError, bools_of
from nngraph.runtime.torchfile.checks import need_values
from nngraph.runtime.torchfile.machine import Machine
from nngraph.runtime.torchfile.names import Library
from nngraph.runtime.torchfile.source import Source
from nngraph.runtime.torchfile.values import Budget, Builder, StorageType, Stored, need_int

__all__ = ["read_archive"]

_LOCAL = struct.Struct("<4s5H3I2H")
_MOST = 1 << 20  # entries
_DAMAGE = (zipfile.BadZipFile, EOFError, OSError, ValueError, LookupError, struct.error)


def read_archive(source: Source, builder: Builder) -> Any:
    """The value in a zip file.

    Raises:
        CheckpointError: if it is damaged, or holds what is no data.
    """
    archive = _Archive(source, builder)
    library = Library(builder, archive.budget)
    machine = Machine(archive.raw("data.pkl"), library, archive.stored, library.build)
    value = machine.run()
    try:
        need_values(value)
    except CheckpointError:
        machine.drop()
        raise
    return value


class _Archive:
    """The entries of a zip file, by their names without the folder."""

    def __init__(self, source: Source, builder: Builder) -> None:
        self.budget = Budget(source.size)
        self._source = source
        self._builder = builder
        self._stored: dict[str, Stored] = {}
        try:
            with source.opened() as file, zipfile.ZipFile(file) as opened:
                entries = opened.infolist()
        except _DAMAGE as error:
            raise CheckpointError(f"it is no whole zip file ({error})") from None
        except NotImplementedError as error:
            raise CheckpointError(f"its zip file is of another version ({error})") from None
        if len(entries) > _MOST:
            raise CheckpointError(f"it has {len(entries)} entries")
        self._entries = {entry.filename: entry for entry in entries}
        self._folder = self._find_folder()
        self._swapped = self._is_swapped()

    def _find_folder(self) -> str:
        found = [n for n in self._entries if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(found) != 1:
            some = ", ".join(list(self._entries)[:3])
            raise CheckpointError(
                f"the zip file has no data.pkl ({some:.100}, ...), so that torch.save did not "
                "write it"
            )
        folder = found[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in self._entries or f"{folder}code" in self._entries:
            raise CheckpointError(
                "it is a TorchScript archive, which holds code. In PyTorch: "
                "torch.save(torch.jit.load(path).state_dict(), new_path)"
            )
        return folder

    def _is_swapped(self) -> bool:
        if f"{self._folder}byteorder" not in self._entries:
            return False
        order = bytes(self.raw("byteorder"))
        if order not in (b"little", b"big"):
            raise CheckpointError(f"its byte order is {order[:20]!r}")
        return order == b"big"

    def raw(self, name: str) -> Any:
        """The bytes of an entry, checked.

        Raises:
            CheckpointError: if they are missing or damaged, or are too many.
        """
        entry = self._entries.get(f"{self._folder}{name}")
        if entry is None:
            raise CheckpointError(f"its entry {name!r:.60} is missing")
        if entry.flag_bits & 0x41:
            raise CheckpointError("it is encrypted")
        start = self._start(entry)
        packed = self._source.read(start, entry.compress_size)
        if len(packed) != entry.compress_size:
            raise CheckpointError(f"its entry {name!r} is cut short")
        raw = self._unpacked(entry, packed)
        if len(raw) != entry.file_size or zlib.crc32(raw) != entry.CRC:
            raise CheckpointError(
                f"its entry {name!r} is damaged: the checksum is another (or PyTorch was told not "
                "to write any, by set_crc32_options(False))"
            )
        return raw

    def _start(self, entry: zipfile.ZipInfo) -> int:
        head = self._source.read(entry.header_offset, _LOCAL.size)
        if len(head) < _LOCAL.size:
            raise CheckpointError("its zip file is cut short")
        fields = _LOCAL.unpack(head)
        at = entry.header_offset + _LOCAL.size
        name = bytes(self._source.read(at, fields[-2]))
        same = name == entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        if fields[0] != b"PK\3\4" or not same:
            raise CheckpointError("the entries of its zip file are not where its list says")
        return at + int(fields[-2]) + int(fields[-1])

    def _unpacked(self, entry: zipfile.ZipInfo, packed: Any) -> Any:
        if entry.compress_type == zipfile.ZIP_STORED:
            return packed
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            raise CheckpointError(f"its compression {entry.compress_type} is not read")
        self.budget.take(entry.file_size)
        try:
            return zlib.decompressobj(-15).decompress(packed, max(entry.file_size, 1))
        except zlib.error as error:
            raise CheckpointError(f"an entry is damaged ({error})") from None

    # -- storages --------------------------------------------------------------------------------

    def stored(self, identity: Any) -> Stored:
        """The storage that a persistent id names."""
        if type(identity) is not tuple or len(identity) != 5 or identity[0] != "storage":
            raise CheckpointError(f"a persistent id is {identity!r:.60}")
        _, kind, key, location, count = identity
        if not isinstance(kind, StorageType):
            name = getattr(kind, "name", type(kind).__name__)
            raise CheckpointError(f"a storage is of {name}, which nngraph has no tensors of")
        if type(key) is not str or len(key) > 64 or type(location) is not str:
            raise CheckpointError(f"a storage's name is {key!r:.60}")
        need_int(count, "a storage's size")
        found = self._stored.get(key)
        if found is None:
            found = self._stored[key] = Stored(key, kind.dtype, count, self._read)
            self._builder.located(found, location)
        return found

    def _read(self, stored: Stored, dtype: DType) -> Array:
        raw = self.raw(f"data/{stored.key}")
        if len(raw) != stored.nbytes:
            raise CheckpointError(
                f"storage {stored.key!r} is of {len(raw)} bytes, not of {stored.nbytes}"
            )
        flat = bools_of(np.frombuffer(raw, dtype.numpy))
        is_mapped = self._source.is_mapped and isinstance(raw, memoryview)
        if is_mapped and not self._swapped and is_aligned(flat):
            return flat
        made = aligned_empty(flat.shape, flat.dtype)
        np.copyto(made, flat)
        return made.byteswap(inplace=True) if self._swapped else made

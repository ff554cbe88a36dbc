"""A folder with a manifest that names and hashes its files: written whole, read with care.

Nothing that is read is believed: a name stays in its folder, a file is a file of its own, and it is
what the manifest says. Nothing is run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nngraph.backends.files import write_folder

__all__ = [
    "FileEntry",
    "FileRefused",
    "file_size",
    "need_room",
    "read_entry",
    "read_file",
    "write_files",
]


class FileRefused(ValueError):
    """A file of a folder is missing, damaged, or none that belongs to it."""


@dataclass(frozen=True)
class FileEntry:
    """What a manifest says of a file: its size in bytes, if it is given, and its hash."""

    sha256: str
    bytes: int | None = None


def write_files(
    folder: Path,
    files: Mapping[str, Iterable[bytes]],
    manifest: str,
    describe: Callable[[Path, Mapping[str, FileEntry]], bytes],
    durable: bool = False,
) -> None:
    """Writes files and then the manifest into a folder that appears at once.

    Args:
        folder: is replaced as a whole.
        files: the content of each file, in pieces.
        manifest: its name.
        describe: gives its content for what was written, and the folder in which that is meanwhile.
        durable: whether the data are on the disk when the folder appears.

    Raises:
        FileNotFoundError: if the folder around it does not exist.
    """
    entries: dict[str, FileEntry] = {}

    def content(name: str, pieces: Iterable[bytes]) -> Callable[[Path], object]:
        return lambda path: entries.update({name: _write(path, pieces, durable)})

    writers = {name: content(name, pieces) for name, pieces in files.items()}
    writers[manifest] = lambda path: _write(path, [describe(path.parent, entries)], durable)
    write_folder(folder, writers)


def need_room(folder: Path, manifest: str, files: Callable[[], Iterable[str]], kind: str) -> None:
    """Passes if nothing is lost when a folder is replaced, but an older one of its kind.

    Args:
        folder: what is to be written.
        manifest: its name.
        files: gives the names of all other files of the folder that is there; raises ValueError if
            that is none of the kind.
        kind: what the folder is.

    Raises:
        FileExistsError: if something else is there.
    """
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise FileExistsError(f"{folder} is a file; a {kind} is a folder") from None
    others = names
    if manifest in names:
        try:
            others = names - {manifest, *files()}
        except ValueError as error:
            raise FileExistsError(
                f"{folder} is not replaced, since something else may be there: {error}"
            ) from None
    if others:
        raise FileExistsError(
            f"{folder} holds {min(others)}, which is of no {kind} and would be lost: give the name "
            "of a new folder"
        )


def _write(path: Path, pieces: Iterable[bytes], durable: bool) -> FileEntry:
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            count += file.write(piece)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return FileEntry(digest.hexdigest(), count)


def read_entry(folder: Path, name: str, entry: FileEntry, limit: int = 1 << 62) -> bytes:
    """A file that a manifest names.

    Raises:
        FileRefused: as ``read_file``, or if it is not what the manifest says.
    """
    content = read_file(folder, name, limit, entry.bytes)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise FileRefused(f"{name} is not what was written: its checksum is another")
    return content


def file_size(folder: Path, name: str) -> int:
    """Bytes of a file that lies in a folder, and nowhere else.

    Raises:
        FileRefused: as ``read_file``.
    """
    handle, found = _opened(folder, name)
    os.close(handle)
    return found.st_size


def read_file(folder: Path, name: str, limit: int, size: int | None = None) -> bytes:
    """All of a file that lies in a folder, and nowhere else.

    Raises:
        FileRefused: if the name leads elsewhere; if the file is missing, a link (also a hard one),
            a pipe or a device, of more than ``limit`` bytes or not of ``size`` bytes.
    """
    handle, found = _opened(folder, name)
    with os.fdopen(handle, "rb") as file:
        if found.st_size > limit or found.st_size != (found.st_size if size is None else size):
            wanted = f"at most {limit}" if size is None or found.st_size > limit else size
            raise FileRefused(f"{name} has {found.st_size} bytes, and may have {wanted}")
        content = file.read(found.st_size + 1)
    if len(content) != found.st_size:
        raise FileRefused(f"{name} changed while it was read")
    return content


def _opened(folder: Path, name: str) -> tuple[int, os.stat_result]:
    """A plain file of one name, opened, and what the system says of it."""
    if name in ("", ".", "..") or any(mark in name for mark in "/\\:\0"):
        raise FileRefused(f"{name!r:.100} is no name of a file in it")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    path = folder / name
    try:
        if path.is_symlink():  # where a system has no O_NOFOLLOW
            raise OSError(errno.ELOOP, "a link")
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise FileRefused(f"{name} is missing") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise FileRefused(f"{name:.100} cannot be opened: {error.strerror}") from None
        raise FileRefused(f"{name:.100} is a link: files lie in the folder itself") from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise FileRefused(f"{name} is no plain file")
    if found.st_nlink > 1:
        os.close(handle)
        raise FileRefused(f"{name} has a second name: copy the files into a folder of theirs")
    return handle, found

"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["FileSet", "sources_digest", "write_atomically", "write_folder"]


class FileSet:
    """Writes files under temporary names and gives them their own only when all are complete.

    Raises:
        IsADirectoryError: if the main file's name is that of a folder.
        FileNotFoundError: if the folder does not exist.
    """

    def __init__(self, main: Path) -> None:
        self.folder = main.parent
        self._pairs: list[tuple[Path, Path]] = []
        if main.is_dir():
            raise IsADirectoryError(f"{main} is a folder: give the name of a file in it")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"the folder {self.folder} does not exist: create it first")

    def add(self, path: Path, write: Callable[[Path], object]) -> None:
        """Writes one file of the folder; the first added is the first to appear."""
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.folder)
        os.close(handle)
        self._pairs.append((Path(name), path))
        write(Path(name))

    def __enter__(self) -> FileSet:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            for temporary, path in self._pairs if kind is None else []:
                temporary.chmod(0o666 & ~_umask())
                os.replace(temporary, path)
        finally:
            for temporary, _path in self._pairs:
                temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces ``path`` by a file of ``data`` in one move, once the data are on the disk."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    with FileSet(path) as files:
        files.add(path, write)


def write_folder(folder: Path, files: Mapping[str, Callable[[Path], object]]) -> None:
    """Replaces ``folder`` by one of these files, each written by its function.

    The files are written into a folder beside, which takes the name when all are complete. Several
    processes may write the same folder: one of them wins.

    Raises:
        FileNotFoundError: if the folder around it does not exist.
    """
    folder = folder.resolve() if folder.is_symlink() else folder
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise FileNotFoundError(f"the folder {parent} does not exist: create it first")
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    try:
        for name, write in files.items():
            write(new / name)
        new.chmod(0o777 & ~_umask())
        _take_place(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _take_place(new: Path, folder: Path, attempts: int = 20) -> None:
    """Gives ``new`` the name of ``folder``; what has it is removed.

    Where the system can exchange two names, there is a whole folder of that name at any moment.
    Elsewhere what has the name is moved away first.
    """
    moved: list[Path] = []
    if _exchanged(new, folder):
        return  # the caller removes what is at ``new`` now
    for attempt in range(attempts):
        try:
            os.rename(new, folder)
            break
        except OSError:
            if not folder.exists() or attempt + 1 == attempts:
                for old in moved[-1:]:
                    os.rename(old, folder)
                raise
        old = new.with_name(f"{new.name}.old{attempt}")
        with contextlib.suppress(FileNotFoundError):  # another process has just moved it away
            os.rename(folder, old)
            moved.append(old)
    for old in moved:
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, two: Path) -> bool:
    """Exchanges the names of two folders in one move; False where that cannot be done."""
    call = _exchange()
    return call is not None and call(os.fsencode(one), os.fsencode(two)) == 0


@functools.cache
def _exchange() -> Callable[[bytes, bytes], int] | None:
    """The system's exchange of two names: renameat2(2) of Linux, renamex_np(2) of macOS."""
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            swap = library.renamex_np
            swap.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
            return lambda one, two: int(swap(one, two, _EXCHANGE))
        rename = library.renameat2
        rename.argtypes = (
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_uint,
        )
        return lambda one, two: int(rename(_HERE, one, _HERE, two, _EXCHANGE))
    except (AttributeError, OSError, TypeError):
        return None


_HERE = -100  # AT_FDCWD: relative names are of the working directory
_EXCHANGE = 2  # RENAME_EXCHANGE, and macOS's RENAME_SWAP


def _umask() -> int:
    """What new files are not open to; ``mkstemp`` and ``mkdtemp`` open theirs to the owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@functools.cache
def sources_digest(folder: Path) -> str:
    """A hash of all Python files below a folder, for what is kept on disk of what they made."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()

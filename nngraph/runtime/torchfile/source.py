"""Where the bytes of a checkpoint are: a file that is read, one that is mapped, or memory."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["Source"]


class Source:
    """The bytes of a checkpoint.

    Attributes:
        name: for error messages.
        size: in bytes.
        is_mapped: whether tensors may show the memory that ``read`` gives: private to this
            process, and writable.
        file: what it was read from, if that was an object.
        start: where in ``file``.
    """

    def __init__(self, file: Any, mapped: bool = False) -> None:
        self.file: Any = None
        self.start = 0
        self.is_mapped = mapped
        self._path: Path | None = None
        self._memory: memoryview | None = None
        if isinstance(file, str | os.PathLike):
            self._path = Path(os.fspath(file))
            self.name = repr(str(self._path))
            self.size = self._path.stat().st_size
            if mapped and self.size:
                with self._path.open("rb") as opened:
                    self._memory = memoryview(
                        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
                    )
        else:
            self._of_object(file)

    def _of_object(self, file: Any) -> None:
        self.file = file
        self.name = getattr(file, "name", type(file).__name__)
        self.start = _place(file)
        raw = file.read()
        if not isinstance(raw, bytes | bytearray | memoryview):
            raise TypeError(f"ng.load: {self.name!r} gives text; open it with mode 'rb'")
        self._memory = memoryview(bytes(raw))
        self.size = len(self._memory)

    def read(self, at: int, count: int) -> Any:
        """Bytes; fewer at the end."""
        if self._memory is not None:
            return self._memory[at : at + count]
        assert self._path is not None
        with self._path.open("rb") as opened:
            opened.seek(at)
            return opened.read(max(min(count, self.size - at), 0))

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """All of it as a file."""
        if self._path is not None:
            with self._path.open("rb") as opened:
                yield opened
        else:
            assert self._memory is not None
            yield io.BytesIO(self._memory)

    def leave(self, count: int) -> None:
        """The file that it was read from goes on behind the first ``count`` bytes."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self.file.seek(self.start + count)


def _place(file: Any) -> int:
    try:
        return int(file.tell())
    except (AttributeError, OSError):
        return 0

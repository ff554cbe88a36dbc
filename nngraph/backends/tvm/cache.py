"""Compiled libraries on disk: one shared object and one manifest per key, written atomically."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nngraph.backends.tvm.linking import find_linker, link

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheEntry:
    """A shared object, and the symbol in it of each kernel's key."""

    path: Path
    symbols: dict[str, str]


class LibraryCache:
    """The entry of one key in one directory. No method raises for what the disk does.

    The manifest is written last and holds a hash of the shared object, so that a reader sees a
    whole entry or none; loading a truncated object would crash instead of raising.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.directory = directory
        self.library = directory / f"{key}.so"
        self.manifest = directory / f"{key}.json"

    def find(self) -> CacheEntry | None:
        try:
            manifest = json.loads(self.manifest.read_text(encoding="utf-8"))
            if manifest["sha256"] != _hash(self.library):
                return None
            return CacheEntry(self.library, dict(manifest["symbols"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("ignoring the cached kernels %s: %s", self.manifest, error)
            return None

    def store(self, objects: Sequence[Path], symbols: dict[str, str]) -> CacheEntry | None:
        """Links `objects` into the entry; None if that is impossible here."""
        linker = find_linker()
        if linker is None:
            _LOG.info("kernels are not cached: no linker (ld, cc or gcc) on PATH")
            return None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.directory, prefix=".new") as folder:
                library, manifest = Path(folder) / "library.so", Path(folder) / "manifest.json"
                link(linker, objects, library)
                content = {"sha256": _hash(library), "symbols": symbols}
                manifest.write_text(json.dumps(content), encoding="utf-8")
                os.replace(library, self.library)
                os.replace(manifest, self.manifest)
        except subprocess.CalledProcessError as error:
            _LOG.warning("kernels are not cached: %s failed: %s", linker[0], error.stderr)
            return None
        except OSError as error:
            _LOG.warning("kernels are not cached: %s", error)
            return None
        return CacheEntry(self.library, symbols)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

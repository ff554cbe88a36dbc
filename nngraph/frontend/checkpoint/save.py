"""``ng.save``: a value as a safetensors file, with its structure in the metadata."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

__all__ = ["NEST", "save"]

#: The metadata entry that holds the structure of a nest, as JSON.
NEST = "nngraph.nest"


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes a value as a safetensors file; a file that was there stays until it is whole.

    Args:
        obj: a tensor, or a nest of dicts, lists, tuples and sets that holds tensors, parameters,
            arrays, numbers, texts, bytes, None, sizes, dtypes, slices, paths and
            ``argparse.Namespace``s: ``{"model": model.state_dict(), "optimizer":
            optimizer.state_dict(), "epoch": 3}``. Tensors that share memory are written once, and
            share it again once they are loaded.
        f: a path, or an object with ``write`` that takes bytes, which goes on behind it.
        pickle_module, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record:
            change nothing: the file is a safetensors file, whatever its name, and holds no pickle.

    Raises:
        TypeError: naming the place of what is no data, before anything is written.
        ValueError: for a nest that is too deep, or holds itself.
        OSError: if the file can't be written.
    """
    from nngraph.frontend.checkpoint.nest import Nest
    from nngraph.runtime.checkpoint import packed, write_arrays

    del pickle_module, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record
    is_path = isinstance(f, str | PathLike)
    if not is_path and not hasattr(f, "write"):
        raise TypeError(f"ng.save writes to a path or to a file's object, got {type(f).__name__}")
    nest = Nest(obj)
    metadata = {NEST: nest.structure}
    if is_path:
        write_arrays(Path(fspath(f)), nest.arrays, metadata)
    else:
        _write(f, packed(nest.arrays, metadata))


def _write(file: Any, data: bytes) -> None:
    """All of the bytes: files without a buffer may take a part at a time."""
    rest = memoryview(data)
    while rest:
        count = file.write(rest)
        rest = rest[len(rest) if count is None else count :]

"""``ng.load``: what ``ng.save`` wrote, safetensors files, and what ``torch.save`` wrote."""

from __future__ import annotations

from os import PathLike
from typing import Any

__all__ = ["load"]


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """The value in a file; nothing in it is executed, whatever the arguments are.

    Args:
        f: a path, or an object with ``read``: of a file of ``ng.save``, a safetensors file, or a
            file of ``torch.save``. The object goes on behind what was read.
        map_location: where tensors go, which is the CPU: None, ``"cpu"``, a dict like
            ``{"cuda:0": "cpu"}``, or a function of a storage and its device in the file.
        pickle_module, weights_only, pickle_load_args: change nothing: what needs code to be read
            is refused.
        mmap: whether tensors show the file as far as it can be mapped. What is written to them
            stays in this process.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged, of another format, or holds what is no data.
        TypeError, RuntimeError, AssertionError: for another ``map_location``.
        ValueError: if something other than a path is to be mapped.
    """
    from nngraph.frontend.checkpoint.locations import Locations
    from nngraph.frontend.checkpoint.reading import read_any
    from nngraph.runtime.torchfile.source import Source

    del pickle_module, weights_only, pickle_load_args
    locations = Locations(map_location)
    if isinstance(f, str | PathLike):
        return read_any(Source(f, bool(mmap)), locations)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not hasattr(f, "read"):
        raise TypeError(f"ng.load reads a path or a file's object, got {type(f).__name__}")
    return read_any(Source(f), locations)

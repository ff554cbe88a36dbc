"""Objects from one process to another: their arrays go through shared memory, without a name.

An object is pickled with its arrays out of band (PEP 574). What is large is written to memory
that has a file descriptor and no name, which goes over the connection; the other process maps it,
and the arrays lie there. When nobody holds them the memory is gone, however the processes ended.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from collections.abc import Sequence
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.tensor import Tensor

__all__ = ["receive", "send"]

#: More bytes than these don't go through the connection itself.
_SMALL = 16_384
_ALIGNED = 64


class _Pickler(pickle.Pickler):
    """Tensors without history go as their arrays, with no copy."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor and not obj.requires_grad:
            return from_array, (elements(obj, "a worker's result"),)
        return NotImplemented


def send(connection: Connection, value: Any) -> None:
    """Sends an object to the process at the other end.

    Raises:
        Exception: what pickling raises; nothing was sent then.
    """
    arrays: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=arrays.append).dump(value)
    parts = [stream.getbuffer(), *(array.raw() for array in arrays)]
    places, end = [], 0
    for part in parts:
        places.append((end, part.nbytes))
        end += -(-part.nbytes // _ALIGNED) * _ALIGNED
    if end <= _SMALL or not hasattr(os, "memfd_create"):
        connection.send((None, [bytes(part) for part in parts]))
        return
    descriptor = _written(parts, places, end)
    try:
        connection.send((end, places))
        reduction.send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def _written(parts: Sequence[memoryview], places: Sequence[tuple[int, int]], size: int) -> int:
    descriptor = os.memfd_create("nngraph", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        with mmap.mmap(descriptor, size) as memory:
            for (start, count), part in zip(places, parts, strict=True):
                memory[start : start + count] = part
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def receive(connection: Connection) -> Any:
    """The object that ``send`` sent; its arrays may be written.

    Raises:
        EOFError, OSError: if the other process is gone.
    """
    size, places = connection.recv()
    if size is None:
        return pickle.loads(places[0], buffers=[bytearray(part) for part in places[1:]])
    descriptor = reduction.recv_handle(connection)
    try:
        memory = memoryview(mmap.mmap(descriptor, size))
    finally:
        os.close(descriptor)
    first, *others = (memory[start : start + count] for start, count in places)
    return pickle.loads(first, buffers=others)

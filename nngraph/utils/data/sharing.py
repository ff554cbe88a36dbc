"""Objects from one process to another: their arrays go through shared memory, without a name.

An object is pickled with its arrays out of band (PEP 574). What is large is written to memory
that has a file descriptor and no name, which goes over the connection; the other process maps it,
and the arrays lie there. When nobody holds them the memory is gone, however the processes ended.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from functools import cache
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.tensor import Tensor
from nngraph.ir.op import Array

__all__ = ["receive", "send", "shared"]

#: More bytes than these don't go through the connection itself.
_SMALL = 2_048
_ALIGNED = 64
_HAS_MEMORY = hasattr(os, "memfd_create")


class _Pickler(pickle.Pickler):
    """Tensors without history go as their arrays, with no copy."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor and not obj.requires_grad:
            return from_array, (elements(obj, "a worker's result"),)
        return NotImplemented


def shared(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array that ``send`` need not copy."""
    size = math.prod(shape) * dtype.itemsize
    if size <= _SMALL or dtype.hasobject or not _HAS_MEMORY:
        return np.empty(shape, dtype)
    descriptor = _new(size)
    memory = mmap.mmap(descriptor, size)
    array = np.frombuffer(memory, dtype).reshape(shape)
    _shared[array.ctypes.data] = descriptor
    weakref.finalize(memory, _forget, array.ctypes.data, descriptor)
    return array


#: The descriptors of shared arrays of this process, by their addresses.
_shared: dict[int, int] = {}


def _forget(address: int, descriptor: int) -> None:
    del _shared[address]
    os.close(descriptor)


def _new(size: int) -> int:
    descriptor = os.memfd_create("nngraph", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def send(connection: Connection, value: Any) -> None:
    """Sends an object to the process at the other end.

    Raises:
        Exception: what pickling raises; nothing was sent then.
    """
    arrays: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=arrays.append).dump(value)
    parts = [stream.getbuffer(), *(array.raw() for array in arrays)]
    descriptors = [_shared.get(_address(part)) for part in parts]
    copied = [p for p, d in zip(parts, descriptors, strict=True) if d is None]
    sent = [d for d in descriptors if d is not None]
    total = sum(_padded(p.nbytes) for p in copied)
    is_small = total <= _SMALL or not _HAS_MEMORY
    kinds = [None if d is None else p.nbytes for p, d in zip(parts, descriptors, strict=True)]
    if is_small:
        connection.send((kinds, [bytes(part) for part in copied]))
    else:
        connection.send((kinds, [part.nbytes for part in copied]))
        _send_copy(connection, copied, total)
    for descriptor in sent:
        reduction.send_handle(connection, descriptor, None)


def _address(part: memoryview) -> int:
    return np.frombuffer(part, np.uint8).ctypes.data if part.nbytes else 0


def _padded(count: int) -> int:
    return -(-count // _ALIGNED) * _ALIGNED


def _send_copy(connection: Connection, parts: Sequence[memoryview], size: int) -> None:
    descriptor = _new(size)
    try:
        with mmap.mmap(descriptor, size) as memory:
            start = 0
            for part in parts:
                memory[start : start + part.nbytes] = part
                start += _padded(part.nbytes)
        reduction.send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def receive(connection: Connection) -> Any:
    """The object that ``send`` sent; its arrays may be written. None is the connection's own.

    Raises:
        EOFError, OSError: if the other process is gone.
    """
    message = connection.recv()
    if message is None:
        return None
    kinds, copied = message
    if copied and isinstance(copied[0], int):
        memory, start = _mapped(connection, sum(map(_padded, copied))), 0
        rows: list[Any] = []
        for count in copied:
            rows.append(memory[start : start + count])
            start += _padded(count)
    else:
        rows = [bytearray(part) for part in copied]
    copies = iter(rows)
    parts = [next(copies) if size is None else _mapped(connection, size) for size in kinds]
    return pickle.loads(parts[0], buffers=parts[1:])


def _mapped(connection: Connection, size: int) -> memoryview:
    descriptor = reduction.recv_handle(connection)
    try:
        memory = mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
    if len(_maps) >= _most_maps():  # each holds a descriptor
        with memory:
            return memoryview(bytearray(memory))
    _maps.add(memory)
    return memoryview(memory)


#: The memory of workers that this process shows.
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


@cache
def _most_maps() -> int:
    """A quarter of the files that the process may open."""
    return os.sysconf("SC_OPEN_MAX") // 4

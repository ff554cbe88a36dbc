"""What a file of PyTorch's describes before tensors are made of it: storages, parts of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from nngraph.ir.dtypes import DType
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError

# fmt: off
__all__ = [
    "Budget", "Builder", "Inner", "Known", "Part", "StorageType", "Stored", "need_int", "part_of",
]
# fmt: on


class Inner:
    """Stands for something while a file is read, and is no value by itself.

    Attributes:
        name: what it is called in messages.
    """

    name: str


@dataclass(frozen=True)
class StorageType(Inner):
    """A class of storages; ``dtype`` is None for bytes whose tensors say what they are."""

    name: str
    dtype: DType | None


@dataclass(frozen=True)
class Known(Inner):
    """A name of the allow-list, as it stands in a file.

    Attributes:
        name: with its module.
        call: what calling it makes, from checked arguments; None if it is never called.
        fresh: what it makes of no arguments, for pickles that make objects first.
        factory: the class itself, where ``defaultdict`` may have it.
    """

    name: str
    call: Callable[..., Any] | None = None
    fresh: Callable[[], Any] | None = None
    factory: type | None = None


class Stored(Inner):
    """The memory of tensors in a file.

    Attributes:
        key: its name in the file.
        dtype: of the elements; None for bytes.
        count: elements, or bytes.
        array: flat; read when the first tensor asks.
    """

    name = "a storage without a tensor"

    def __init__(
        self, key: str, dtype: DType | None, count: int, read: Callable[[Stored, DType], Array]
    ) -> None:
        self.key, self.dtype, self.count, self._read = key, dtype, count, read
        self.array: Array | None = None

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.count * (1 if self.dtype is None else self.dtype.itemsize)

    def elements(self, dtype: DType) -> Array:
        """All of it, as elements of this dtype."""
        if self.array is None:
            if self.nbytes % dtype.itemsize:
                raise CheckpointError(f"{self.count} bytes are no whole elements of {dtype.name}")
            self.array = self._read(self, dtype)
        if self.array.dtype != dtype.numpy or (self.dtype or dtype) is not dtype:
            raise CheckpointError(
                f"storage {self.key!r} holds {self.array.dtype}, and a tensor over it {dtype.name}"
            )
        return self.array


@dataclass(frozen=True)
class Part:
    """What of a storage a tensor shows, in elements."""

    stored: Stored
    dtype: DType
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the storage, in order."""
        want = tuple(math.prod(self.size[axis + 1 :]) for axis in range(len(self.size)))
        in_order = all(
            n == 1 or s == w for n, s, w in zip(self.size, self.stride, want, strict=True)
        )
        return self.offset == 0 and in_order and math.prod(self.size) == self.array.size

    @property
    def array(self) -> Array:
        """All of the storage."""
        return self.stored.elements(self.dtype)


class Builder(Protocol):
    """Makes the values that the runtime has no classes for."""

    def located(self, stored: Stored, location: str) -> None: ...
    def tensor(self, part: Part, requires_grad: bool) -> Any: ...
    def parameter(self, data: Any, requires_grad: bool) -> Any: ...
    def buffer(self, data: Any, persistent: bool) -> Any: ...
    def is_tensor(self, value: Any) -> bool: ...
    def size(self, sizes: tuple[int, ...]) -> Any: ...
    def located_at(self, kind: str, index: int | None) -> Any: ...


class Budget:
    """What a file may still make grow beyond its own size, in bytes.

    Args:
        size: of the file.
    """

    def __init__(self, size: int) -> None:
        self.left = (256 << 20) + 16 * size

    def take(self, count: int) -> None:
        """Counts bytes that are about to be made.

        Raises:
            CheckpointError: if there are more than a file of this size needs.
        """
        self.left -= count
        if self.left < 0:
            raise CheckpointError(
                "the file unfolds to many times its own size, as no checkpoint does"
            )


def need_int(value: Any, what: str, low: int = 0) -> int:
    """A size or an index that NumPy can count with."""
    if type(value) is not int or not low <= value < 2**62:
        raise CheckpointError(f"{what} is {value!r:.40}")
    return value


def part_of(
    stored: Any, dtype: DType | None, offset: Any, size: Any, stride: Any, budget: Budget
) -> Part:
    """What a tensor shows, if it is inside of its storage.

    Raises:
        CheckpointError: if it is not.
    """
    if not isinstance(stored, Stored):
        raise CheckpointError(f"a tensor's storage is {type(stored).__name__}")
    kind = stored.dtype if dtype is None else dtype
    if kind is None:
        raise CheckpointError("a tensor does not say what its elements are")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise CheckpointError(f"a tensor's size is {size!r:.40} and its stride {stride!r:.40}")
    if len(size) > 64:
        raise CheckpointError(f"a tensor has {len(size)} dimensions")
    start = need_int(offset, "a tensor's offset")
    sizes = tuple(need_int(n, "a tensor's size") for n in size)
    strides = tuple(need_int(s, "a tensor's stride", -(2**62)) for s in stride)
    count = stored.elements(kind).size
    if any(s < 0 for n, s in zip(sizes, strides, strict=True) if n > 1):
        raise CheckpointError(f"a tensor has a negative stride: {strides}")
    numel = math.prod(sizes)
    last = start + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if start > count or (numel and last >= count):
        raise CheckpointError(
            f"a tensor of size {sizes} with strides {strides} from element {start} on leaves its "
            f"storage of {count} elements"
        )
    if numel > count:
        budget.take(numel * kind.itemsize)
    return Part(stored, kind, start, sizes, strides)

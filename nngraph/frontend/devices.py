"""The device of eager tensors, and how elements lie in it: arguments that PyTorch's code passes."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, NoReturn

__all__ = [
    "CPU",
    "NO_DEVICE",
    "as_device",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "device",
    "get_default_device",
    "is_device",
    "layout",
    "memory_format",
    "need_cpu",
    "need_dense",
    "need_pageable",
    "preserve_format",
    "refuse_device",
    "set_default_device",
    "strided",
]

_PARTS_OF_PYTORCH = ("cuda", "xpu", "mtia")
_OTHERS = ("ipu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy")
_KINDS = ("cpu", *_PARTS_OF_PYTORCH, *_OTHERS, "vulkan", "mps", "meta", "hpu", "privateuseone")
_TEXT = re.compile(r"([a-z_]+)(?::(0|[1-9]\d*))?")
NO_DEVICE = "Cannot access accelerator device when none is available: tensors are on the CPU."


class device:
    """Where a tensor is (``torch.device``): ``device("cpu")``, ``device("cuda", 0)``.

    Devices that have no tensors here can be named and compared. As a context, the CPU changes
    nothing.

    Attributes:
        type: ``"cpu"``, ``"cuda"``, ...
        index: which one of them; None if that was not said.

    Raises:
        RuntimeError: for a text that names no device, and for a number alone, which stands for an
            accelerator.
        TypeError: for what is neither.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
    """

    __slots__ = ("_index", "_type")
    _type: str
    _index: int | None

    def __new__(cls, type: Any = None, index: int | None = None, *, device: Any = None) -> device:
        named = type if device is None else device
        if isinstance(named, cls) and index is None:
            return named
        if isinstance(named, int) and not isinstance(named, bool) and index is None:
            raise RuntimeError(f"{NO_DEVICE} Got {named}; write device('cpu')")
        if not isinstance(named, str):
            raise TypeError(f"device() takes a text as 'cpu' or 'cuda:0', got {named!r}")
        made = object.__new__(cls)
        made._type, made._index = _parts(named, index)
        return made

    @property
    def type(self) -> str:
        return self._type

    @property
    def index(self) -> int | None:
        return self._index

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return (self._type, self._index) == (other._type, other._index)

    def __hash__(self) -> int:
        return hash((self._type, self._index))

    def __str__(self) -> str:
        return self._type if self._index is None else f"{self._type}:{self._index}"

    def __repr__(self) -> str:
        index = "" if self._index is None else f", index={self._index}"
        return f"device(type={self._type!r}{index})"

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self._type,) if self._index is None else (self._type, self._index)

    def __enter__(self) -> device:
        need_cpu(self)
        _defaults.append(self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        _defaults.pop()


def _parts(text: str, index: int | None) -> tuple[str, int | None]:
    """Type and index of a device's name."""
    if not text:
        raise RuntimeError("Device string must not be empty")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise RuntimeError(f"Invalid device string: {text!r}")
    kind, number = found.groups()
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise RuntimeError(f"Expected one of {known} device type at start of device string: {text}")
    if index is None:
        return kind, None if number is None else int(number)
    if not isinstance(index, int):
        raise TypeError(f"device(): argument 'index' must be int, not {_kind(index)}")
    if number is not None:
        raise RuntimeError(
            f"type (string) must not include an index because index was passed explicitly: {text}"
        )
    if index < 0:
        raise RuntimeError("Device index must not be negative")
    return kind, index


def _kind(value: object) -> str:
    return type(value).__name__


CPU = device("cpu")
_defaults = [CPU]


def set_default_device(device: Any) -> None:
    """Where tensors are made; the CPU is the only such place, and None stands for it.

    Raises:
        AssertionError, RuntimeError: for another device.
    """
    named = CPU if device is None else as_device(device)
    need_cpu(named)
    _defaults[0] = named


def get_default_device() -> device:
    """Where tensors are made."""
    return _defaults[-1]


def as_device(value: Any) -> device:
    """The device that a ``device`` argument means.

    Raises:
        TypeError: for what names none.
        RuntimeError: for a text that names none, and for a number.
    """
    if isinstance(value, device):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        kind = getattr(value, "type", None)  # PyTorch's own devices
        if not isinstance(kind, str):
            raise TypeError(f"argument 'device' must be nngraph.device, not {_kind(value)}")
        return device(kind, getattr(value, "index", None))
    return device(value)


def is_device(value: object) -> bool:
    """Whether an argument that may be a dtype names a device."""
    if isinstance(value, str):
        return value.partition(":")[0] in _KINDS
    return isinstance(value, device) or (isinstance(value, int) and not isinstance(value, bool))


def need_cpu(device: Any) -> None:
    """Refuses every device but the CPU, where eager tensors are.

    Raises:
        AssertionError: for one that PyTorch has to be compiled with.
        RuntimeError: for any other.
        TypeError: for what is no device.
    """
    if device is None or device is CPU:
        return
    named = as_device(device)
    if named.type != "cpu":
        refuse_device(named)


def refuse_device(named: device) -> NoReturn:
    """Says that there are no tensors on this device, and where it can be used.

    Raises:
        AssertionError, RuntimeError: always.
    """
    kind = named.type
    if kind == "meta":
        raise NotImplementedError(
            "there are no tensors without elements: leave device='meta' out; shapes without "
            "computing are those of ng.trace(function, ng.spec(shape))"
        )
    raise (AssertionError if kind in _PARTS_OF_PYTORCH else RuntimeError)(
        f"there is no device {str(named)!r} for tensors: they are on the CPU. What a compiled "
        f"function keeps and computes is on the device that you name there: "
        f"ng.compile(f, device={kind!r})"
    )


class memory_format:
    """How the elements of a tensor lie in memory (``torch.memory_format``).

    Tensors here are contiguous, and a backend chooses the layouts that its kernels want, so that
    this changes nothing.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"nngraph.{self._name}"

    def __reduce__(self) -> str:
        return self._name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


class layout:
    """Which elements a tensor stores (``torch.layout``): here always all, ``strided``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"nngraph.{self._name}"

    def __reduce__(self) -> str:
        return self._name


strided = layout("strided")


def need_dense(wanted: Any) -> None:
    """Refuses every layout but ``strided``.

    Raises:
        NotImplementedError: for one of PyTorch's sparse layouts.
        TypeError: for what is no layout.
    """
    if wanted is None or wanted is strided:
        return
    if _kind(wanted) != "layout":
        raise TypeError(f"argument 'layout' must be nngraph.layout, not {_kind(wanted)}")
    raise NotImplementedError(
        f"there are no tensors of layout {wanted}: leave it out, tensors store all elements"
    )


def need_pageable(pin_memory: Any) -> None:
    """Refuses pinned memory, which only copies to an accelerator need.

    Raises:
        RuntimeError: if it is asked for.
    """
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend: tensors are on the CPU, "
            "so leave it out; pinned memory would only hasten copies to a device"
        )

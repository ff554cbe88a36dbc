"""CUDA devices, as PyTorch's code asks for them (``torch.cuda``): there is none for tensors.

Eager tensors are on the CPU on every machine, so ``is_available()`` is False and ``device_count()``
0 - what ``"cuda" if cuda.is_available() else "cpu"`` has to hear. Where a GPU computes compiled
functions, it is named there: ``ng.compile(f, device="cuda")``. Functions that need a device raise
AssertionError, as in PyTorch built without CUDA; those that there is nothing to do for do nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from nngraph.cuda import amp
from nngraph.frontend.devices import device as Device
from nngraph.frontend.devices import refuse_device
from nngraph.frontend.nodevice import DeviceContext, OutOfMemoryError, absent, nothing, zero

# fmt: off
__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CUDAGraph", "CharTensor", "CudaError",
    "DoubleTensor", "Event", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "OutOfMemoryError", "ShortTensor", "Stream", "amp", "can_device_access_peer", "clock_rate",
    "current_device", "current_stream", "default_generators", "default_stream", "device",
    "device_count", "device_of", "empty_cache", "get_arch_list", "get_device_capability",
    "get_device_name", "get_device_properties", "get_gencode_flags",
    "get_per_process_memory_fraction", "get_rng_state", "get_rng_state_all",
    "get_sync_debug_mode", "has_half", "init", "initial_seed", "ipc_collect", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_cached",
    "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached", "memory_reserved",
    "memory_stats", "memory_summary", "memory_usage", "power_draw",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_per_process_memory_fraction", "set_rng_state", "set_rng_state_all", "set_stream",
    "set_sync_debug_mode", "stream", "synchronize", "temperature", "utilization",
]
# fmt: on

default_generators: tuple[Any, ...] = ()
has_half = True


CudaError = RuntimeError


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no device. The CPU's tensors may be bfloat16."""
    return False


def is_tf32_supported() -> bool:
    """False."""
    return False


def get_arch_list() -> list[str]:
    """None."""
    return []


def get_gencode_flags() -> str:
    """None."""
    return ""


def set_device(device: Any) -> None:
    """Refused, but for numbers below 0, which mean none.

    Raises:
        AssertionError: for a device.
    """
    if not isinstance(device, int) or device >= 0:
        refuse_device(Device("cuda"))


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """Nothing."""
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """That there is none."""
    return "no CUDA device: tensors are on the CPU"


def get_rng_state_all() -> list[Any]:
    """None: there is no device. ``ng.get_rng_state()`` is the state of all draws."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Sets those of no device.

    Raises:
        AssertionError: for the state of one.
    """
    if len(list(new_states)):
        refuse_device(Device("cuda"))


device = DeviceContext


class device_of(DeviceContext):
    """``with cuda.device_of(tensor)``: no change, for a tensor on the CPU."""

    def __init__(self, obj: Any) -> None:
        super().__init__(-1)


class stream(DeviceContext):
    """``with cuda.stream(None)``: no change; there are no other streams."""


class _Handle:
    """What only a device has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"cuda.{type(self).__name__} needs a CUDA device for tensors, which are on the CPU: "
            "ask cuda.is_available() first; time.perf_counter() times what is computed here"
        )


class Stream(_Handle):
    """A queue of a device's work."""


class Event(_Handle):
    """A mark in such a queue."""


class CUDAGraph(_Handle):
    """A recording of such work; ``ng.compile`` is what records here."""


manual_seed = manual_seed_all = seed = seed_all = nothing
empty_cache = ipc_collect = reset_peak_memory_stats = reset_accumulated_memory_stats = nothing
reset_max_memory_allocated = reset_max_memory_cached = nothing
memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = zero
memory_cached = max_memory_cached = zero
current_device = get_device_name = get_device_capability = get_device_properties = absent("cuda")
synchronize = init = mem_get_info = current_stream = default_stream = set_stream = absent("cuda")
initial_seed = get_rng_state = set_rng_state = can_device_access_peer = absent("cuda")
set_per_process_memory_fraction = get_per_process_memory_fraction = absent("cuda")
get_sync_debug_mode = set_sync_debug_mode = is_current_stream_capturing = absent("cuda")
utilization = temperature = power_draw = clock_rate = memory_usage = absent("cuda")


class _TypeOfDevice(type):
    """Classes of tensors on a device: no tensor is of one, and none can be made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"type nngraph.cuda.{cls.__name__} not available: tensors are on the CPU; write "
            f"ng.{cls.__name__}(...)"
        )

    def __repr__(cls) -> str:
        return f"<class 'nngraph.cuda.{cls.__name__}'>"


def _types(*names: str) -> list[Any]:
    return [_TypeOfDevice(n, (), {"__doc__": "A type of tensors on a device."}) for n in names]


FloatTensor, DoubleTensor, HalfTensor = _types("FloatTensor", "DoubleTensor", "HalfTensor")
LongTensor, IntTensor, ShortTensor = _types("LongTensor", "IntTensor", "ShortTensor")
ByteTensor, CharTensor, BoolTensor = _types("ByteTensor", "CharTensor", "BoolTensor")
(BFloat16Tensor,) = _types("BFloat16Tensor")

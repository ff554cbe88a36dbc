"""``autocast``, and PyTorch's questions and switches beside it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from nngraph.frontend.precision.state import (
    State,
    current,
    device_type_of,
    entered,
    kept,
    left,
    switched,
)
from nngraph.ir.dtypes import DType, bfloat16, float16

__all__ = [
    "autocast",
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "clear_autocast_cache",
    "get_autocast_dtype",
    "is_autocast_cache_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class autocast:
    """Functions inside compute in the dtype that suits them (``torch.autocast``).

    Products and convolutions compute in the lower precision, losses and other functions of wide
    ranges in float32; each casts its operands, and its gradient is cast back. The backward pass is
    written outside. What is compiled has the same casts in its graph. Also a decorator.

    Args:
        device_type: ``"cpu"``; for ``"cuda"`` it warns and is off, as where PyTorch has no GPU.
        dtype: of the lower precision, ``bfloat16`` or ``float16``; None takes what
            ``set_autocast_dtype`` set, at first bfloat16 for the CPU. With another it warns and is
            off.
        enabled: False switches autocast off inside.
        cache_enabled: whether a parameter is cast once in a region, and so has one gradient in the
            lower precision. A parameter that is written inside the region is cast anew.

    Raises:
        ValueError: for a device type that is no string.
        RuntimeError: for one that is unknown.

    Source: Micikevicius et al., "Mixed Precision Training", 2017;
    https://docs.pytorch.org/docs/stable/amp.html
    """

    # It is what it was after each region, whatever was traced in it.
    _unwatched: ClassVar[frozenset[str]] = frozenset({"_before"})

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`; write "
                "device.type"
            )
        self.device = device_type
        kind = device_type_of(device_type)
        self.fast_dtype = current().dtype(kind) if dtype is None else dtype
        self._enabled = bool(enabled) and _is_possible(kind, self.fast_dtype)
        self._cache_enabled = current().caches if cache_enabled is None else cache_enabled
        self._before: list[State] = []

    def __enter__(self) -> Self:
        before = current()
        self._before.append(before)
        kind = device_type_of(self.device)
        state = before.having(kind, self._enabled)
        if isinstance(self.fast_dtype, DType):
            state = state.casting_to(kind, self.fast_dtype)
        switched(State(state.enabled, state.dtypes, self._cache_enabled))
        entered()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        left()
        switched(self._before.pop())

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self:
                return function(*args, **kwargs)

        return wrapper


def _is_possible(kind: str, dtype: object) -> bool:
    """Whether there is such a device, and autocast of the dtype for it; warns if not."""
    if kind == "cuda":
        warnings.warn("CUDA is not available. Disabling autocast.", UserWarning, stacklevel=3)
        return False
    if kind == "cpu" and dtype not in (bfloat16, float16):
        warnings.warn(
            "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
            f"CPU Autocast only supports dtypes of bfloat16, float16 currently; got {dtype!r}.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return True


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether functions on such a device are cast now; left out, on a GPU."""
    return device_type_of(device_type or "cuda") in current().enabled


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switches autocast on or off for such a device; of a single bool, for a GPU."""
    if isinstance(device_type, str):
        if enabled is None:
            raise TypeError("set_autocast_enabled() missing 1 required argument: 'enabled'")
        switched(current().having(device_type_of(device_type), enabled))
    else:
        switched(current().having("cuda", device_type))


def get_autocast_dtype(device_type: str) -> DType:
    """The lower precision of such a device."""
    return current().dtype(device_type_of(device_type))


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Sets the lower precision of such a device."""
    switched(current().casting_to(device_type_of(device_type), dtype))


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept in a region."""
    return current().caches


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether casts of parameters are kept in a region."""
    state = current()
    switched(State(state.enabled, state.dtypes, bool(enabled)))


def clear_autocast_cache() -> None:
    """Forgets the casts of parameters that the region keeps."""
    known = kept()
    if known is not None:
        known.casts.clear()


def autocast_increment_nesting() -> int:
    """Goes one region deeper; returns how many there are now."""
    return entered()


def autocast_decrement_nesting() -> int:
    """Leaves a region, the outermost one with its casts; returns how many there are now."""
    return left()


def _deprecated(name: str, instead: str, function: Callable[..., Any], *first: Any) -> Any:
    def call(*args: Any) -> Any:
        warnings.warn(
            f"{name} is deprecated. Please use {instead} instead.", DeprecationWarning, stacklevel=2
        )
        return function(*first, *args)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"The old name of ``{instead}``."
    return call


def _old_names() -> dict[str, Callable[..., Any]]:
    functions: dict[tuple[str, str], Callable[..., Any]] = {
        ("is", "enabled"): is_autocast_enabled,
        ("set", "enabled"): set_autocast_enabled,
        ("get", "dtype"): get_autocast_dtype,
        ("set", "dtype"): set_autocast_dtype,
    }
    made: dict[str, Callable[..., Any]] = {}
    for (verb, what), function in functions.items():
        kinds = {"cpu": "cpu", "gpu": "cuda", "xla": "xla", "ipu": "ipu"}
        for old, kind in kinds.items():
            if old == "gpu" and what == "enabled":
                continue  # is_autocast_enabled itself
            name = f"{verb}_autocast_{old}_{what}"
            made[name] = _deprecated(name, f"{function.__name__}({kind!r})", function, kind)
    return made


#: PyTorch's old names, with the kind of device in them.
OLD_NAMES = _old_names()

"""Settings of the whole process: threads, precision of products, determinism (``torch.set_*``)."""

from __future__ import annotations

from nngraph.backends.base import Target, choose_threads
from nngraph.backends.switches import products

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]

_MODES = ("default", "warn", "error")


class _Settings:
    interop_threads = 1
    deterministic = False
    warn_only = False
    warn_always = False


_now = _Settings()


def _need_count(name: str, threads: object) -> None:
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise RuntimeError(f"{name} expects an int, but got {type(threads).__name__}")
    if threads < 1:
        raise RuntimeError(f"{name} expects a positive integer, got {threads}")


def set_num_threads(num: int, /) -> None:
    """Threads of compiled functions that name none (``ng.compile(threads=)``).

    It counts for what is compiled from here on. Eager code computes with NumPy, whose threads
    ``OMP_NUM_THREADS`` and its like set before Python starts.

    Raises:
        RuntimeError: for what is no number of at least 1.
    """
    _need_count("set_num_threads", num)
    choose_threads(num)


def get_num_threads() -> int:
    """Threads of compiled functions that name none."""
    return Target("reference").thread_count


def set_num_interop_threads(num: int, /) -> None:
    """Kept; operators of a graph run one after the other.

    Raises:
        RuntimeError: for what is no number of at least 1.
    """
    _need_count("set_num_interop_threads", num)
    _now.interop_threads = num


def get_num_interop_threads() -> int:
    """What was set."""
    return _now.interop_threads


def set_float32_matmul_precision(precision: str) -> None:
    """Allows products of float32 to be less precise; they are not.

    Args:
        precision: ``"highest"``, ``"high"`` or ``"medium"``; another word warns and changes
            nothing, as in PyTorch.
    """
    products.set_precision(precision)


def get_float32_matmul_precision() -> str:
    """What was set."""
    return products.precision


def set_flush_denormal(mode: bool, /) -> bool:
    """False: tiny numbers keep their digits, whatever is asked."""
    return False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Kept, with nothing to change: the same input gives the same bits, always.

    Raises:
        TypeError: for what is no bool.
    """
    if not isinstance(mode, bool):
        raise TypeError(f"argument 'mode' must be bool, not {type(mode).__name__}")
    _now.deterministic, _now.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What was set. (Algorithms are deterministic in any case.)"""
    return _now.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What was set."""
    return _now.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by a word or number: default, warn, error.

    Raises:
        RuntimeError: for another one.
        TypeError: for what is neither.
    """
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    known: tuple[object, ...] = (*_MODES, *range(len(_MODES)))
    if debug_mode not in known:
        raise RuntimeError(
            f"invalid value of debug_mode, expected one of {known}, got {debug_mode}"
        )
    mode = known.index(debug_mode) % len(_MODES)
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """0 for default, 1 for warn, 2 for error."""
    return (1 if _now.warn_only else 2) if _now.deterministic else 0


def set_warn_always(b: bool, /) -> None:
    """Kept; warnings go through Python's filters."""
    _now.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What was set."""
    return _now.warn_always

"""TVM's thread pool: how many threads a call uses. It needs TVM's runtime and not the compiler.

TVM keeps a pool for each thread that calls kernels. Its size is fixed when it is made; how many of
its workers take part can be changed at any time.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

from nngraph.backends.base import usable_cpus

__all__ = ["ThreadCount", "resolve_threads"]

_SHARED_CORES = -3  # TVM's affinity mode of workers that may run anywhere
_CALLER = threading.local()  # what the calling thread's pool was set to


def resolve_threads(threads: int | None) -> int:
    """The threads that calls of a function use, at most one for each usable CPU.

    None leaves it to TVM's own variable, TVM_NUM_THREADS, and without it takes all usable CPUs.

    Raises:
        ValueError: for fewer than one thread.
    """
    if threads is None:
        wish = os.environ.get("TVM_NUM_THREADS", "")
        threads = int(wish) if wish.isdigit() and int(wish) else usable_cpus()
    if threads < 1:
        raise ValueError(f"threads is {threads}; wanted at least 1, or None for all usable CPUs")
    return min(threads, usable_cpus())


class ThreadCount:
    """``use`` before a call makes its kernels run on so many threads.

    Costs a comparison where the calling thread's last call used as many, else a few microseconds.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def use(self) -> None:
        if getattr(_CALLER, "count", 0) != self.count:
            _configure()(_SHARED_CORES, self.count, _all_cpus())
            _CALLER.count = self.count


@functools.cache
def _all_cpus() -> list[str]:
    """As many as a pool gets workers; their numbers do not matter, since nothing is pinned."""
    return [str(i) for i in range(usable_cpus())]


@functools.cache
def _configure() -> Callable[..., Any]:
    import tvm_ffi

    from nngraph.backends.tvm.library import runtime_library

    runtime_library()
    # TVM would pin the workers, and the caller, to cores; only this variable of its own stops it.
    os.environ.setdefault("TVM_BIND_THREADS", "0")
    configure: Callable[..., Any] = tvm_ffi.get_global_func("runtime.config_threadpool")
    return configure

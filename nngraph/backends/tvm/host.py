"""The machine that kernels are compiled for and run on: threads, aligned memory, fingerprint."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import Any

from nngraph.backends.arrays import aligned_copy, aligned_empty, is_aligned
from nngraph.backends.base import usable_cpus

__all__ = [
    "aligned_copy",
    "aligned_empty",
    "configure_threads",
    "fingerprint",
    "is_aligned",
    "target",
    "usable_cpus",
    "vector_bytes",
]


def configure_threads(threads: int | None = None) -> None:
    """Size of TVM's thread pool, in effect if called before the first parallel kernel.

    `threads` defaults to the CPUs that this process may use. What the user has set in the
    environment (TVM_NUM_THREADS, TVM_BIND_THREADS) wins. Without this call TVM takes half of the
    cores and pins its workers and the calling thread to them.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; wanted at least 1, or None for all usable CPUs")
    os.environ.setdefault("TVM_NUM_THREADS", str(threads or usable_cpus()))
    os.environ.setdefault("TVM_BIND_THREADS", "0")


@functools.cache
def fingerprint() -> str:
    """What machine code depends on: architecture and CPU features. Imports nothing."""
    parts = [platform.system(), platform.machine(), platform.processor()]
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(errors="replace").split("\n\n")[0].splitlines()
        wanted = ("model name", "flags", "Features", "CPU part", "model\t")
        parts += [line for line in lines if line.startswith(wanted)]
    return "\n".join(parts)


@functools.cache
def target() -> Any:
    """TVM's target for this machine's CPU."""
    import tvm

    cpu = tvm.target.codegen.llvm_get_system_cpu()
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu, "num-cores": usable_cpus()})


@functools.cache
def vector_bytes() -> int:
    """Bytes of the CPU's widest vector register: 64 with AVX-512, 32 with AVX2, 16 else."""
    import tvm

    bits = int(tvm.target.codegen.llvm_get_vector_width(target()))
    return min(max(bits, 128), 512) // 8

"""Kernels in a library of their own: built for any machine, loaded without the compiler."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nngraph.backends.errors import BackendError
from nngraph.backends.registry import BACKENDS
from nngraph.backends.tvm.executable import TvmExecutable
from nngraph.backends.tvm.ffi import import_ffi
from nngraph.backends.tvm.library import Loader, cpu_name, load_shared, write_objects
from nngraph.backends.tvm.linking import link
from nngraph.backends.tvm.looping import Kernel
from nngraph.backends.tvm.lower.requests import kernel_requests
from nngraph.backends.tvm.program.program import Linked, Program
from nngraph.backends.tvm.targets import BuildTarget
from nngraph.backends.tvm.threads import ThreadCount, resolve_threads

__all__ = ["KernelMissing", "Kernels", "build_kernels", "load_kernels"]


@dataclass(frozen=True)
class Kernels:
    """Machine code.

    Attributes:
        code: a shared object, or one object file that is still to be linked.
        symbols: the name in it of each of a program's ``all_kernels``.
        cpu: the compiler's name of the processor.
    """

    code: bytes
    symbols: tuple[str, ...]
    cpu: str


class KernelMissing(LookupError):
    """A library has no kernel of a name."""


def build_kernels(program: Program, target: BuildTarget, linker: Sequence[str]) -> Kernels:
    """Compiles the kernels of a program for a machine, and links them.

    Args:
        program: as emitted.
        target: what for.
        linker: of ``need_linker``; empty leaves the kernels in one object file.

    Raises:
        BackendError: if linking fails.
    """
    import_ffi()
    requests = kernel_requests(program, target.machine)
    with tempfile.TemporaryDirectory() as name, BACKENDS["tvm"].importing():
        folder = Path(name)
        objects, symbols = write_objects(requests, target.machine, folder, 2 if linker else 1)
        made = objects[0] if objects else folder / "none"
        if linker:
            made = folder / "kernels.so"
            try:
                link(linker, objects, made)
            except subprocess.CalledProcessError as error:
                raise BackendError(f"{linker[0]} failed: {error.stderr}") from None
        code = made.read_bytes() if made.exists() else b""
        cpu = cpu_name(target.machine)
    return Kernels(code, tuple(symbols[request.key] for request in requests), cpu)


def load_kernels(
    library: Path, program: Program, threads: int | None, runtime: Path | None
) -> TvmExecutable:
    """A program of ``Linked`` kernels, ready to run. The library's code is trusted.

    Args:
        library: a shared object for this machine.
        program: whose kernels are in it.
        threads: of a call.
        runtime: TVM's ``libtvm_runtime``; None for that of the installed package.

    Raises:
        KernelMissing: if the library lacks a kernel.
        BackendError: if TVM's runtime or its interface is not to be found.
    """
    with BACKENDS["tvm"].importing():
        import_ffi()
        found = load_shared(library, runtime)
    functions = [_function(found, spec.op, library) for spec in program.all_kernels]
    return TvmExecutable(program, functions, ThreadCount(resolve_threads(threads)))


def _function(found: Loader, op: object, library: Path) -> Kernel:
    assert isinstance(op, Linked)
    try:
        return found(op.symbol)
    except (AttributeError, KeyError):
        raise KernelMissing(f"{library.name} has no kernel {op.symbol!r:.60}") from None

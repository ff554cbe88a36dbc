"""Kernels to machine code: deduplicated, compiled together, linked, cached on disk, loaded.

A caller describes each kernel by a key and gives a function that builds it. A start with a warm
cache builds nothing and does not import the compiler: it loads one shared object.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nngraph.backends.files import sources_digest
from nngraph.backends.registry import BACKENDS
from nngraph.backends.tvm.cache import LibraryCache
from nngraph.backends.tvm.machine import HOST_CPU, Machine

PrimFunc = Any
Kernel = Callable[..., None]


@dataclass(frozen=True)
class KernelRequest:
    """One kernel: `build()` makes the PrimFunc that `key` describes.

    The key has to say everything that the kernel's code depends on (kind, shapes, dtypes,
    epilogue); equal keys share a kernel, and the cache on disk is looked up by it.
    """

    key: str
    build: Callable[[], PrimFunc]


@dataclass(frozen=True)
class Library:
    """Loaded kernels: `functions[i]` is the kernel of the i-th request.

    A function takes its tensors (inputs, then outputs; anything with DLPack, 64-byte aligned and
    contiguous) and checks nothing: shapes, dtypes and alignment are the caller's to get right.
    """

    functions: tuple[Kernel, ...]
    from_cache: bool
    distinct: int


def compile_library(
    requests: Sequence[KernelRequest],
    machine: Machine,
    *,
    cache_directory: Path | None = None,
    jobs: int = 2,
) -> Library:
    """Compiles the distinct kernels of `requests` for a machine and loads them.

    `machine`: this one, or one whose instructions this one has.

    `cache_directory`: where libraries are kept and looked up; None keeps nothing. A directory
    that cannot be written, or a damaged entry, costs only the time to compile again.
    `jobs`: compiler threads.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; wanted at least 1 compiler thread")
    distinct = {request.key: request for request in requests}
    cache = (
        LibraryCache(cache_directory, cache_key(tuple(distinct), machine))
        if cache_directory
        else None
    )
    entry = cache.find() if cache else None
    if entry:
        loaded = load_shared(entry.path)
        symbols = entry.symbols
    else:
        loaded, symbols = _compile(tuple(distinct.values()), machine, jobs, cache)
    functions = {symbol: loaded(symbol) for symbol in set(symbols.values())}
    return Library(
        tuple(functions[symbols[request.key]] for request in requests),
        from_cache=entry is not None,
        distinct=len(functions),
    )


def cache_key(keys: tuple[str, ...], machine: Machine) -> str:
    """Hash of the kernels' keys, of the compiler's version, of the machine and of this package."""
    # A changed builder makes other code of the same key.
    builders = sources_digest(Path(__file__).resolve().parent)
    parts = (_compiler_version(), machine.key, builders, *keys)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _compiler_version() -> str:
    return " ".join(BACKENDS["tvm"].versions)


Loader = Callable[[str], Kernel]


def load_shared(path: Path, runtime: Path | None = None) -> Loader:
    """Of a shared object. Needs TVM's runtime library (3 MB) but not the compiler (260 MB).

    Args:
        path: of the shared object.
        runtime: of TVM's runtime; see ``runtime_library``.

    Raises:
        ImportError: if that is not to be found.
    """
    import tvm_ffi

    runtime_library(runtime)
    module = tvm_ffi.load_module(str(path.absolute()))  # TVM does not find a bare file name
    return lambda symbol: module[symbol]


_runtime: object = None


def runtime_library(path: Path | None = None) -> object:
    """TVM's runtime: thread pool and workspaces. A process has one, the first that is asked for.

    Args:
        path: of ``libtvm_runtime``; None for that of the installed package.

    Raises:
        ImportError: if it is not to be found.
    """
    import ctypes
    import importlib.util

    global _runtime
    if _runtime is not None:
        return _runtime
    if path is None:
        spec = importlib.util.find_spec("tvm")
        folders = (spec.submodule_search_locations if spec else None) or []
        found = (p for f in folders for p in sorted((Path(f) / "lib").glob("libtvm_runtime.*")))
        path = next(found, None)
    if path is None:
        raise ImportError("no libtvm_runtime: runtime= of ng.load_binary may name a copy of it")
    try:
        _runtime = ctypes.CDLL(str(path.absolute()), ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise ImportError(f"TVM's runtime library cannot be loaded: {error}") from None
    return _runtime


def _compile(
    requests: tuple[KernelRequest, ...], machine: Machine, jobs: int, cache: LibraryCache | None
) -> tuple[Loader, dict[str, str]]:
    parts, symbols = _parts(requests, jobs)
    with ThreadPoolExecutor(max(len(parts), 1)) as pool:
        modules = list(pool.map(lambda part: build_module(part, machine), parts))
        if cache and modules:
            with tempfile.TemporaryDirectory() as folder:
                objects = _objects(Path(folder), len(modules))
                list(pool.map(_write_object, modules, objects))
                entry = cache.store(objects, symbols)
            if entry:
                return load_shared(entry.path), symbols
    home = {symbol: m for m, part in zip(modules, parts, strict=True) for symbol in part}
    return (lambda symbol: home[symbol][symbol]), symbols


def write_objects(
    requests: Sequence[KernelRequest], machine: Machine, folder: Path, jobs: int = 2
) -> tuple[list[Path], dict[str, str]]:
    """Compiles the distinct kernels of ``requests`` for any machine, into object files.

    Returns:
        The files in ``folder``, at most one for each of ``jobs``, and the symbol of each key.
    """
    parts, symbols = _parts(tuple({r.key: r for r in requests}.values()), jobs)
    objects = _objects(folder, len(parts))
    with ThreadPoolExecutor(max(len(parts), 1)) as pool:
        modules = list(pool.map(lambda part: build_module(part, machine), parts))
        list(pool.map(_write_object, modules, objects))
    return objects, symbols


def _parts(
    requests: tuple[KernelRequest, ...], jobs: int
) -> tuple[list[dict[str, PrimFunc]], dict[str, str]]:
    """The distinct functions in as many parts as there are jobs, and each key's symbol."""
    functions, symbols = _deduplicate(requests)
    parts = [dict(list(functions.items())[i::jobs]) for i in range(jobs)]
    return [part for part in parts if part], symbols


def _objects(folder: Path, count: int) -> list[Path]:
    return [folder / f"part{i}.o" for i in range(count)]


def _deduplicate(requests: tuple[KernelRequest, ...]) -> tuple[dict[str, PrimFunc], dict[str, str]]:
    """Structurally distinct functions by symbol, and the symbol of each request's key."""
    import tvm_ffi

    functions: dict[str, PrimFunc] = {}
    symbols: dict[str, str] = {}
    by_hash: dict[int, list[str]] = {}
    for request in requests:
        function = request.build().without_attr("global_symbol")
        candidates = by_hash.setdefault(tvm_ffi.structural_hash(function), [])
        same = (s for s in candidates if tvm_ffi.structural_equal(functions[s], function))
        symbol = next(same, None)
        if symbol is None:
            symbol = f"kernel{len(functions)}"
            functions[symbol] = function
            candidates.append(symbol)
        symbols[request.key] = symbol
    return functions, symbols


def build_module(functions: dict[str, PrimFunc], machine: Machine) -> Any:
    """TVM's module of kernels by symbol: machine code for any machine, this one or another."""
    import tvm

    from nngraph.backends.tvm.fast_math import PIPELINE

    named = {name: f.with_attr("global_symbol", name) for name, f in functions.items()}
    # argument checks are over half of the code, and quadratic in the number of arguments
    with tvm.transform.PassContext(config={"tirx.disable_assert": True}):
        return tvm.tirx.build(tvm.IRModule(named), target=_target(machine), pipeline=PIPELINE)


def cpu_name(machine: Machine) -> str:
    """The compiler's name of the processor."""
    if machine.cpu != HOST_CPU:
        return machine.cpu
    import tvm

    return str(tvm.target.codegen.llvm_get_system_cpu())


def _target(machine: Machine) -> Any:
    """TVM's name for a machine."""
    import tvm

    cpu = cpu_name(machine)
    triple = {"mtriple": machine.triple} if machine.triple else {}
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu, "num-cores": machine.cores, **triple})


def _write_object(module: Any, path: Path) -> None:
    module.write_to_file(str(path))

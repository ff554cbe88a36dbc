"""``ng.build`` and ``ng.load_binary``: compiled kernels in a folder, and what runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from nngraph.backends import get_backend
from nngraph.backends.base import Artifact, Target, emit
from nngraph.backends.build import Built
from nngraph.backends.tvm.linking import need_linker
from nngraph.backends.tvm.targets import HOST, BuildTarget, build_target
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.compile import compiled_of
from nngraph.frontend.filed import Wanted, arguments_of, dense, file_trace, result_of
from nngraph.frontend.steps import StatefulStep
from nngraph.ir.op import Array
from nngraph.ir.signature import signature_of
from nngraph.passes.places import with_places_as_states
from nngraph.runtime.binary.errors import BinaryError
from nngraph.runtime.binary.folder import Binary, need_binary_room, read_binary, write_binary
from nngraph.runtime.binary.manifest import KERNELS, BinaryManifest
from nngraph.runtime.binary.plan import program_json
from nngraph.runtime.step import CompiledStep

__all__ = ["BinaryStep", "build", "load_binary"]


def build(
    function: Any,
    path: str | PathLike[str],
    *args: Any,
    target: str = HOST,
    link: bool = True,
    schedule: Any = None,
    schedule_every: int = 1,
    schedule_steps: int | None = None,
    **kwargs: Any,
) -> Path:
    """Writes machine code: a folder that runs with TVM's small runtime, and without a compiler.

    It holds compiled kernels, the plan that says which are called with what, and the state
    (docs/binaries.md). ``ng.load_binary`` runs it, as do programs in C++. What is traced, and for
    which arguments, is as for ``ng.export``.

    Args:
        function: a compiled function, a module, or any function of tensors.
        path: a folder; an older binary there is replaced at once.
        args, kwargs: example arguments, or ``ng.spec(shape, dtype)``. All sizes are numbers.
        target: ``"host"`` is this machine; ``"x86-64-v2"`` (SSE4.2), ``"x86-64-v3"`` (AVX2) and
            ``"x86-64-v4"`` (AVX-512) are any with these instructions, ``"aarch64"`` any of 64-bit
            ARM, with Linux.
        link: False leaves the kernels in an object file, to be linked elsewhere.
        schedule, schedule_every, schedule_steps: as for ``ng.export``.

    Raises:
        RuntimeError: if a compiled function was neither called nor given arguments.
        ValueError: for a target that is not known or an open size; if the function changes what
            only Python has, or has no results.
        FileExistsError: if the folder holds something else than a binary, which would be lost.
        FileNotFoundError: if the folder around it is not there.
        UnsupportedGraph: naming all that the backend lacks.
        BackendError: if TVM, or a linker for the target, is not installed.
    """
    get_backend("tvm")  # a clear error if the extra is missing
    what = build_target(target)
    linker = need_linker(what.host.architecture) if link else ()
    folder = Path(fspath(path))
    need_binary_room(folder)
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder {folder.absolute().parent} does not exist")
    compiled = compiled_of(function)
    wanted = Wanted(function if compiled is None else compiled, args, kwargs, schedule_steps)
    traced, _ = file_trace(wanted, schedule, schedule_every)
    strict = True if compiled is None else compiled.target.strict
    write_binary(folder, _built(traced, what, linker, strict), bool(linker))
    return folder


def _built(traced: Traced, target: BuildTarget, linker: Sequence[str], strict: bool) -> Binary:
    """The binary of a traced function; without a linker its kernels are an object file."""
    from nngraph.backends.tvm.linked import build_kernels

    graph = with_places_as_states(traced.graph)
    signature = signature_of(graph)
    for port in signature.inputs:
        if not port.type.is_static:
            raise ValueError(
                f"kernels are made for numbers, and {port.name} is {port.type}: give a number for "
                "each size, as ng.spec((32, 64)), and build one binary for each batch size"
            )
    emitted = emit(get_backend("tvm"), graph, Target("tvm", strict=strict))
    program = emitted.artifact.program
    kernels = build_kernels(program, target, linker)
    constants: dict[str, Array] = {}
    return Binary(
        BinaryManifest.of(graph.name, target, kernels.cpu),
        signature,
        traced.scalars(),
        arguments_of(traced, signature),
        result_of(traced, signature),
        program_json(program, kernels.symbols, constants),
        {cell.name: dense(cell.lasting.array) for cell in traced.cells},
        constants,
        kernels.code,
    )


def load_binary(
    path: str | PathLike[str],
    *,
    trust: bool = False,
    threads: int | None = None,
    runtime: str | PathLike[str] | None = None,
) -> BinaryStep:
    """The step of a binary that ``ng.build`` wrote, ready to go on from the binary's state.

    It needs ``apache-tvm-ffi`` and ``libtvm_runtime.so``, and imports no compiler. On the machine
    that it was built on and for, it computes what ``ng.compile(backend="tvm")`` computes, bit for
    bit.

    Args:
        path: the folder.
        trust: has to be True: machine code can do all that this process can do.
        threads: of a call; None for all usable CPUs.
        runtime: TVM's runtime library; None for that of the installed package ``apache-tvm``.

    Raises:
        FileNotFoundError: if there is no such folder.
        BinaryError: without ``trust``; if the folder holds no binary, a damaged one, one of a newer
            version, one that is not linked, or one for another machine.
        BackendError: if ``apache-tvm-ffi`` or the runtime library is not there.
        ValueError: for fewer than one thread.
    """
    from nngraph.backends.tvm.artifact import TvmArtifact
    from nngraph.backends.tvm.backend import backend
    from nngraph.backends.tvm.linked import KernelMissing, load_kernels

    folder = Path(fspath(path))
    if trust is not True:
        raise BinaryError(
            f"{folder} holds machine code, which can do all that you can do - read and delete your "
            "files, for one - and which cannot be checked. If you built it, or trust who did: "
            "ng.load_binary(path, trust=True). A bundle (ng.load_step) needs no trust"
        )
    binary = read_binary(folder)
    program = binary.program()
    where = None if runtime is None else Path(fspath(runtime))
    try:
        executable = load_kernels(folder / KERNELS, program, threads, where)
    except KernelMissing as error:
        raise BinaryError(f"{folder}: {error}") from None
    target = Target("tvm", threads=threads)
    return BinaryStep(binary, Built(backend, target, TvmArtifact(program), (), executable))


class BinaryStep(StatefulStep):
    """The step of a binary.

    Attributes:
        target: name of the target that it was built for.
    """

    def __init__(self, binary: Binary, built: Built[Artifact]) -> None:
        super().__init__(
            binary.manifest.name,
            binary.signature,
            binary.scalars,
            binary.arguments,
            binary.result,
            binary.states,
        )
        self.target = binary.manifest.target
        self._binary = replace(binary, states={})  # the tensors have them from here on
        self._only = self._on_states(built)

    @property
    def _where(self) -> str:
        return self.target

    def _step(self, sizes: Mapping[str, int]) -> CompiledStep:
        return self._only

    def save(self, folder: str | PathLike[str]) -> Path:
        """Writes the binary with the present state and scalars; an older one there is replaced.

        Raises:
            FileExistsError: if the folder holds anything else.
            FileNotFoundError: if the folder around it is not there.
            KeyError: if ``scalars`` has other names than at first.
            TypeError: if a scalar is no number.
        """
        with self._alone:
            scalars, states = self._present()
            whole = replace(self._binary, scalars=scalars, states=states)
            write_binary(Path(fspath(folder)), whole, is_linked=True)
        return Path(fspath(folder))

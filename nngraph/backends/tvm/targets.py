"""What binaries are built for: a device that computes, and a host that calls it."""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import dataclass, replace

from nngraph.backends.tvm.linking import architecture
from nngraph.backends.tvm.machine import Device, Machine, cpu_flags

__all__ = ["HOST", "TARGETS", "BuildTarget", "Host", "build_target", "why_elsewhere"]

HOST = "host"

#: Flags that Linux lists for each level of the x86-64 architecture, besides those of the levels
#: before it (System V ABI, AMD64 supplement, "Micro-Architecture Levels").
_LEVELS = {
    "x86-64-v2": ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
    "x86-64-v3": ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}

_ARM = "aarch64"

#: More instructions that a compiler uses where it is told the processor.
_NATIVE_X86 = (
    "adx aes avx_ifma avx_ne_convert avx_vnni avx_vnni_int16 avx_vnni_int8 "
    "avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2 avx512_vnni "
    "avx512_vp2intersect avx512_vpopcntdq avx512ifma avx512vbmi fma4 gfni pclmulqdq "
    "rdrand rdseed sha_ni sse4a tbm vaes vpclmulqdq xop"
)
_NATIVE_ARM = (
    "asimd fp asimddp asimdfhm asimdhp asimdrdm atomics bf16 fphp i8mm lrcpc sve sve2 "
    "svebf16 svei8mm"
)

_SYSTEMS = {"Linux": "linux-gnu", "Darwin": "apple-darwin", "Windows": "pc-windows-msvc"}

TARGETS = (HOST, *_LEVELS, _ARM)
"""Names that ``build_target`` knows."""


@dataclass(frozen=True)
class Host:
    """Where the program runs that calls kernels; it is the device, too, if that is the CPU.

    Attributes:
        triple: architecture and system, as ``"x86_64-linux-gnu"``.
        requires: what the processor has to have, by Linux's names of its flags.
    """

    triple: str
    requires: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        return self.triple.partition("-")[0]


@dataclass(frozen=True)
class BuildTarget:
    """What kernels are built for.

    Attributes:
        name: one of ``TARGETS``.
        machine: what computes, and with it the device.
        host: what calls.
    """

    name: str
    machine: Machine
    host: Host

    @property
    def device(self) -> Device:
        return self.machine.device


def build_target(name: str = HOST) -> BuildTarget:
    """The target of a name: ``"host"`` is this machine, ``"x86-64-v3"`` any with AVX2.

    Raises:
        ValueError: for another name.
    """
    if name == HOST:
        known = {*f"{_NATIVE_X86} {_NATIVE_ARM}".split()}.union(*_LEVELS.values())
        return BuildTarget(name, Machine.host(), Host(_here(), tuple(sorted(cpu_flags() & known))))
    if name == _ARM:
        machine = Machine.named(name)
        return BuildTarget(name, machine, Host(machine.triple))  # NEON is part of the architecture
    if name not in _LEVELS:
        wanted = ", ".join(map(repr, TARGETS))
        raise ValueError(f"there is no target {name!r}; use one of {wanted}")
    names = list(_LEVELS)
    flags = [flag for level in names[: names.index(name) + 1] for flag in _LEVELS[level]]
    triple = "x86_64-linux-gnu"
    machine = replace(Machine.named(name), triple=triple)
    return BuildTarget(name, machine, Host(triple, tuple(sorted(flags))))


def why_elsewhere(triple: str, requires: Collection[str]) -> str:
    """Why this machine cannot run code; empty if it can, as far as the system tells."""
    here = _here()
    if triple != here:
        return f"it is built for {triple}, and this machine is {here}"
    flags = cpu_flags()
    missing = sorted(set(requires) - flags) if flags else []
    if missing:
        return f"it needs instructions that this processor lacks: {', '.join(missing)}"
    return ""


def _here() -> str:
    system = platform.system()
    return f"{architecture()}-{_SYSTEMS.get(system, system.lower())}"

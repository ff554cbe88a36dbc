"""The machine that kernels are compiled for, as a value: no global, no process, no compiler.

A builder that asks for a vector's width or a cache's size asks the ``Machine`` that it was given,
so code for one machine can be made, printed and compared on any other.
"""

from __future__ import annotations

import enum
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from nngraph.backends.base import usable_cpus

__all__ = ["HOST_CPU", "PARALLEL_WORK", "Device", "Machine", "cpu_flags"]

HOST_CPU = "host"
"""``Machine.cpu`` of the machine that this process runs on; the compiler knows its name."""

PARALLEL_WORK = 32768
"""Element updates below which starting a parallel region (1-2 us, measured) does not pay."""

_CLOCK = 3.3e9
"""Vector multiply-adds a second of one core: 105 GFLOP/s float32 in 16 lanes, measured (Zen 4)."""

_SIZES = {"float64": 8, "int64": 8, "uint64": 8}
_CPUINFO, _CACHES = Path("/proc/cpuinfo"), Path("/sys/devices/system/cpu/cpu0/cache")


class Device(enum.Enum):
    """The kind of machine: it decides how loops are written and which strategies there are."""

    CPU = "cpu"


@dataclass(frozen=True)
class Machine:
    """What the code of a kernel may depend on; part of the key of compiled kernels.

    Threads are no part of it: work is cut into the same tasks for any number of them, so that the
    order of no sum, and with it no result, depends on it. A call says how many it uses.

    Attributes:
        cpu: the compiler's name for it, as ``"x86-64-v3"`` or ``"znver4"``, or ``HOST_CPU``.
        vector_bytes: of a vector register: 64 with AVX-512, 32 with AVX2, 16 with SSE or NEON.
        registers: number of vector registers.
        l2_bytes: the second cache of a core.
        cores: cores that share the work of a call.
        identity: tells machines apart that have all else in common (other instructions).
        triple: the compiler's name for architecture, system and object format, as
            ``"aarch64-linux-gnu"``; empty for those of this process.
    """

    cpu: str
    vector_bytes: int
    registers: int
    l2_bytes: int = 512 << 10
    cores: int = 1
    device: Device = Device.CPU
    identity: str = ""
    triple: str = ""

    def __post_init__(self) -> None:
        if self.vector_bytes not in (16, 32, 64):
            raise ValueError(f"vector_bytes is {self.vector_bytes}; wanted 16, 32 or 64")
        if min(self.registers, self.l2_bytes, self.cores) < 1:
            raise ValueError(f"{self}: registers, l2_bytes and cores have to be positive")

    @classmethod
    def host(cls) -> Machine:
        """The machine that this process runs on."""
        flags = cpu_flags()
        return cls(
            HOST_CPU,
            _vector_bytes(flags),
            32 if "avx512bw" in flags or not _is_x86() else 16,
            _l2_bytes(),
            usable_cpus(),
            identity=_identity(),
        )

    @classmethod
    def named(cls, cpu: str, cores: int = 1) -> Machine:
        """A machine of a level of the x86-64 architecture: ``"x86-64-v3"`` has AVX2 and no more.
        ``"aarch64"`` is any 64-bit ARM processor, with NEON and no more.

        Raises:
            ValueError: for another name; describe such a machine by its fields.
        """
        if cpu == _ARM:
            return cls("generic", 16, 32, cores=cores, triple=f"{_ARM}-linux-gnu")
        if cpu not in _LEVELS:
            known = ", ".join((*_LEVELS, _ARM))
            raise ValueError(
                f"no machine is named {cpu!r}; wanted one of {known}, or its fields: "
                f"Machine({cpu!r}, vector_bytes=32, registers=16)"
            )
        return cls(cpu, *_LEVELS[cpu], cores=cores)

    @property
    def key(self) -> str:
        """Text that tells machines apart: equal keys mean equal code."""
        vectors = f"{self.registers} vectors of {self.vector_bytes} bytes"
        where = " ".join(filter(None, (self.device.value, self.triple, self.cpu, self.identity)))
        return f"{where}: {vectors}, {self.cores} cores with {self.l2_bytes} bytes"

    @property
    def many_registers(self) -> bool:
        """32 as of AVX-512 and NEON, not 16 as of AVX2: tiles of sums may be larger."""
        return self.registers >= 32

    def lanes(self, dtype: str) -> int:
        """Elements of ``dtype`` in a vector register; half precision is computed as float32."""
        return min(16, self.vector_bytes // _SIZES.get(dtype, 4))

    def seconds(self, multiply_adds: float, dtype: str = "float32") -> float:
        """Time of one core at its best."""
        return multiply_adds / (_CLOCK * self.lanes(dtype))


_ARM = "aarch64"
_LEVELS = {"x86-64": (16, 16), "x86-64-v2": (16, 16), "x86-64-v3": (32, 16), "x86-64-v4": (64, 32)}
"""Vector bytes and registers of each level."""


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


def _lines() -> list[str]:
    """Of the first processor, what Linux says."""
    if not _CPUINFO.exists():
        return []
    return _CPUINFO.read_text(errors="replace").split("\n\n")[0].splitlines()


def cpu_flags() -> frozenset[str]:
    """The instruction sets of this machine's processor, by Linux's names; empty where the system
    does not tell.
    """
    named = (line.partition(":") for line in _lines())
    told = (text for name, _, text in named if name.strip() in ("flags", "Features"))
    return frozenset(word for text in told for word in text.split())


def _vector_bytes(flags: frozenset[str]) -> int:
    """Not LLVM's answer: asked through TVM it says 512 bits for every x86, SSE included."""
    if not _is_x86():
        return 16
    if not flags:
        return 32  # a system that does not tell; code is right for any width
    return 64 if "avx512bw" in flags else 32 if "avx2" in flags else 16


def _l2_bytes() -> int:
    for folder in sorted(_CACHES.glob("index*")):
        try:
            if (folder / "level").read_text().strip() == "2":
                size = (folder / "size").read_text().strip()
                return int(size.rstrip("KM")) << (20 if size.endswith("M") else 10)
        except (OSError, ValueError):
            continue
    return 512 << 10


def _identity() -> str:
    """Of the instructions that the compiler may use here."""
    parts = [platform.system(), platform.machine(), platform.processor()]
    wanted = ("model name", "flags", "Features", "CPU part", "model\t")
    parts += [line for line in _lines() if line.startswith(wanted)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from nngraph.backends.base import usable_cpus
from nngraph.backends.tvm import machine
from nngraph.backends.tvm.machine import HOST_CPU, Machine

INTEL = "processor: 0\nmodel name: x\nflags\t\t: fpu sse2 avx avx2 avx512f avx512bw\n\nprocessor: 1"
AVX2 = "processor: 0\nmodel name: x\nflags\t\t: fpu sse2 avx avx2 fma\n"
OLD = "processor: 0\nmodel name: x\nflags\t\t: fpu sse2\n"


def host(text: str | None, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Machine:
    """The machine that a process would find on Linux with this processor file."""
    path = folder / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", path)
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    return Machine.host()


@pytest.mark.parametrize(
    ("text", "vector_bytes", "registers"),
    [(INTEL, 64, 32), (AVX2, 32, 16), (OLD, 16, 16), (None, 32, 16)],
)
def test_the_host_is_read_from_the_processor(
    text: str | None,
    vector_bytes: int,
    registers: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    found = host(text, monkeypatch, tmp_path)
    assert (found.vector_bytes, found.registers) == (vector_bytes, registers)
    assert (found.cpu, found.cores) == (HOST_CPU, usable_cpus())


def test_machines_of_other_instructions_differ(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = host(AVX2, monkeypatch, tmp_path)
    assert first == host(AVX2, monkeypatch, tmp_path)
    assert first.key != host(AVX2.replace("fma", "bmi1"), monkeypatch, tmp_path).key


def test_an_arm_processor_has_short_vectors_and_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    found = Machine.host()
    assert (found.vector_bytes, found.registers) == (16, 32)


def test_named_machines_can_be_asked_for_anywhere() -> None:
    avx2, avx512 = Machine.named("x86-64-v3"), Machine.named("x86-64-v4", cores=8)
    assert (avx2.vector_bytes, avx2.registers, avx2.lanes("float32")) == (32, 16, 8)
    assert (avx512.vector_bytes, avx512.lanes("float64"), avx512.cores) == (64, 8, 8)
    assert avx512.lanes("float16") == avx512.lanes("float32") == 16
    with pytest.raises(ValueError, match="no machine is named 'zen'; wanted one of x86-64, "):
        Machine.named("zen")


def test_a_machine_is_a_value() -> None:
    avx2 = Machine.named("x86-64-v3")
    assert avx2 == Machine.named("x86-64-v3") and hash(avx2) == hash(Machine.named("x86-64-v3"))
    assert avx2.key != replace(avx2, registers=32).key
    with pytest.raises(FrozenInstanceError):
        avx2.cores = 2  # type: ignore[misc]


def test_the_environment_changes_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Machine.host()
    for name in [n for n in os.environ if n.startswith(("TVM_", "OMP_"))]:
        monkeypatch.delenv(name)
    assert Machine.host() == before


@pytest.mark.parametrize("fields", [{"vector_bytes": 24}, {"registers": 0}, {"cores": 0}])
def test_impossible_machines_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"wanted 16, 32 or 64|have to be positive"):
        replace(Machine.named("x86-64"), **fields)

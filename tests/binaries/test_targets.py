"""Binaries for other machines: those that this one can run, and those that it can only look at."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends.tvm import linking, machine, targets
from nngraph.backends.tvm.targets import TARGETS, build_target, why_elsewhere
from tests.bundles.networks import NETWORKS
from tests.support.tolerances import assert_close

RUNNABLE = [
    name
    for name in TARGETS[1:]
    if not why_elsewhere(build_target(name).host.triple, build_target(name).host.requires)
]


def test_levels_train_to_the_same_losses(tmp_path: Path) -> None:
    if not RUNNABLE:
        pytest.skip("this processor has none of the levels")
    for level in {*RUNNABLE[:1], *RUNNABLE[-1:]}:
        network = NETWORKS["perceptron"]()
        step = ng.compile(network.step, backend="reference")
        batches = list(network.batches(10))
        path = ng.build(step, tmp_path / level, *batches[0], target=level)
        loaded = ng.load_binary(path, trust=True)
        assert loaded.target == level
        for batch in batches:
            assert_close(loaded(*batch)[0].numpy(), step(*batch)[0].numpy())


def words(code: bytes) -> np.ndarray:
    return np.frombuffer(code[: len(code) // 4 * 4], "<u4")


def test_aarch64_is_looked_at(tmp_path: Path) -> None:
    function = lambda x, y: (x @ y).relu() * 0.5 + x.exp().sum()  # noqa: E731
    args = ng.spec((16, 16)), ng.spec((16, 16))
    path = ng.build(function, tmp_path / "arm", *args, target="aarch64", link=False)
    assert sorted(p.name for p in path.iterdir()) == [
        *("constants.safetensors", "kernels.o", "manifest.json", "plan.json", "state.safetensors")
    ]
    code = (path / "kernels.o").read_bytes()
    assert code[:4] == b"\x7fELF" and code[16] == 1 and int.from_bytes(code[18:20], "little") == 183
    # FMLA (vector) and FADD (vector), single precision: Arm A-profile instruction set
    assert (words(code) & 0xBFE0FC00 == 0x0E20CC00).sum() > 4
    assert (words(code) & 0xBFE0FC00 == 0x0E20D400).sum() > 4
    if why_elsewhere("aarch64-linux-gnu", ()):
        with pytest.raises(ng.BinaryError, match="built for aarch64-linux-gnu, and this machine"):
            ng.load_binary(path, trust=True)
    linker = linking.find_linker("aarch64")
    if linker is None:
        pytest.skip("no linker for aarch64: apt install g++-aarch64-linux-gnu")
    linking.link(linker, [path / "kernels.o"], tmp_path / "kernels.so")
    code = (tmp_path / "kernels.so").read_bytes()
    assert code[16] == 3 and int.from_bytes(code[18:20], "little") == 183


def test_without_a_linker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(4, dtype=np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda name: None)
        patch.setattr(linking, "find_spec", lambda name: None)
        with pytest.raises(ng.BackendError, match=r"apt install g\+\+-aarch64-linux-gnu.*link=F"):
            ng.build(lambda x: x + 1, tmp_path / "b", x, target="aarch64")
        assert not (tmp_path / "b").exists()
        patch.setattr(linking, "find_spec", lambda name: name == "ziglang")
        assert linking.find_linker("riscv64")[-1] == "riscv64-linux-gnu.2.28"  # type: ignore[index]
        path = ng.build(lambda x: x + 1, tmp_path / "b", x, link=False)
    with pytest.raises(ng.BinaryError, match=r"run `cc -shared kernels\.o -o kernels\.so` in it"):
        ng.load_binary(path, trust=True)
    linker = linking.find_linker()
    if linker is None:
        pytest.skip("no linker")
    linking.link(linker, [path / "kernels.o"], path / "kernels.so")
    assert ng.load_binary(path, trust=True)(x).tolist() == [1, 2, 3, 4]
    ng.build(lambda x: x + 1, path, x, link=False)  # over its own library
    assert not (path / "kernels.so").exists()


def test_what_a_target_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    flags: dict[str, set[str]] = {n: {*build_target(n).host.requires} for n in TARGETS}
    assert flags["x86-64-v2"] < flags["x86-64-v3"] < flags["x86-64-v4"]
    assert "fma" in flags["x86-64-v3"] and "avx512f" not in flags["x86-64-v3"]
    assert not flags["aarch64"] and build_target("aarch64").machine.triple == "aarch64-linux-gnu"
    with pytest.raises(ValueError, match="no target 'sm_90'; use one of 'host', 'x86-64-v2'"):
        build_target("sm_90")

    def here(system: str, architecture: str, flags: Any) -> str:
        monkeypatch.setattr(targets, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(linking.platform, "machine", lambda: architecture)
        monkeypatch.setattr(linking.platform, "system", lambda: system)
        level = build_target("x86-64-v3").host
        return why_elsewhere(level.triple, level.requires)

    v3 = build_target("x86-64-v3").host.requires
    assert here("Linux", "x86_64", v3) == ""
    assert here("Linux", "AMD64", ()) == ""  # a system that does not tell
    assert here("Linux", "x86_64", {*v3} - {"fma", "avx2"}).endswith("lacks: avx2, fma")
    assert "this machine is x86_64-apple-darwin" in here("Darwin", "x86_64", v3)
    assert "this machine is aarch64-linux-gnu" in here("Linux", "arm64", v3)
    assert machine.Machine.named("aarch64").many_registers

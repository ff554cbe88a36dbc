"""examples/cpp/train_onnx.cc, built and run: it trains bundles to the losses of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import nngraph as ng
from nngraph.ir.op import Array
from tests.bundles.networks import NETWORKS
from tests.bundles.programs import EXAMPLES, digits_batches, ended_well, write_digits
from tests.bundles.test_hosts import host, loss_of

STEPS = 100


def onnxruntime_home(folder: Path) -> Path:
    """A folder with ``include`` and ``lib``; the Python package's library stands in for one."""
    home = Path(os.environ.get("ONNXRUNTIME_HOME", "/usr"))
    places = (home / "include", home / "include" / "onnxruntime")
    if not any((place / "onnxruntime_cxx_api.h").is_file() for place in places):
        pytest.skip(
            "onnxruntime's C++ headers are not installed: ONNXRUNTIME_HOME may name what a release"
            " unpacks to; Debian's package is libonnxruntime-dev"
        )
    if "ONNXRUNTIME_HOME" not in os.environ or list((home / "lib").glob("libonnxruntime.so*")):
        return home
    spec = find_spec("onnxruntime")
    assert spec is not None and spec.submodule_search_locations
    (library,) = Path(spec.submodule_search_locations[0], "capi").glob("libonnxruntime.so*")
    (folder / "lib").mkdir(parents=True)
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / "lib" / name).symlink_to(library)
    (folder / "include").symlink_to(home / "include")
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("g++ or make is not installed")
    if not Path("/usr/include/nlohmann/json.hpp").is_file():
        pytest.skip("nlohmann/json is not installed: Debian's package is nlohmann-json3-dev")
    folder = tmp_path_factory.mktemp("cpp")
    out, home = folder / "train_onnx", onnxruntime_home(folder / "onnxruntime")
    options = [f"ORT={home}", f"OUT={out}"]
    ended_well(["make", "-f", "train_onnx.mk", *options], EXAMPLES / "cpp")
    return out


def train(program: Path, bundle: Path, batches: list[tuple[Array, ...]], out: Path) -> list[float]:
    names = [port.name for port in ng.load_step(bundle).signature.inputs]
    columns = {name: np.stack(c) for name, c in zip(names, zip(*batches, strict=True), strict=True)}
    save_file(columns, out / "batches.safetensors")
    command = [program, bundle, out / "batches.safetensors", out / "state.safetensors"]
    return [float(line) for line in ended_well(command).split()]


def small_bundle(name: str, folder: Path) -> tuple[Path, list[tuple[Array, ...]]]:
    network = NETWORKS[name]()
    step = ng.compile(network.step)
    step(*next(network.batches(1)))
    return ng.export(step, folder, *network.specs()), list(network.batches(STEPS, seed=1))


@pytest.mark.parametrize("name", ["page", "gpt", "perceptron"])
def test_losses_are_those_of_python_and_the_state_resumes(
    program: Path, name: str, tmp_path: Path
) -> None:
    if name == "page":
        data = write_digits(tmp_path / "data")
        bundle, batches = data / "bundle", [*digits_batches(data, STEPS)]
    else:
        bundle, batches = small_bundle(name, tmp_path / name)
    python = host(bundle)
    found = train(program, bundle, batches[:-1], tmp_path)
    wanted = [float(python["train"](*batch)[0]) for batch in batches[:-1]]
    np.testing.assert_allclose(found, wanted, 1e-3, 1e-4)

    loaded = ng.load_step(bundle)
    loaded.load_state_dict(ng.load(tmp_path / "state.safetensors"))
    wanted_next = float(python["train"](*batches[-1])[0])
    assert loss_of(loaded(*batches[-1])) == pytest.approx(wanted_next, rel=2e-3, abs=2e-4)


def test_what_does_not_fit_is_refused(program: Path, tmp_path: Path) -> None:
    bundle, batches = small_bundle("perceptron", tmp_path / "perceptron")
    x, y = batches[0]

    def refused(*arguments: Any) -> str:
        command = [str(part) for part in (program, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2)
        return done.stderr

    def holding(**columns: Array) -> Path:
        save_file(columns, tmp_path / "batches.safetensors")
        return tmp_path / "batches.safetensors"

    assert "usage" in refused(bundle)
    assert "no file" in refused(tmp_path / "none", holding(x=x[None], y=y[None]))
    assert "has no tensor y" in refused(bundle, holding(x=x[None]))
    assert "as many batches" in refused(bundle, holding(x=x[None], y=np.stack([y, y])))
    assert "another number of bytes" in refused(bundle, holding(x=x[None], y=y[None].astype("f8")))
    assert "invalid dimensions" in refused(bundle, holding(x=x[None, :, :3].copy(), y=y[None]))
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    assert "newer version" in refused(bundle, holding(x=x[None], y=y[None]))

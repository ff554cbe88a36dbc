"""examples/browser in headless Chromium, and the losses of its bundle in every host."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.cli.commands.serve import make_server
from tests.bundles.programs import (
    EXAMPLES,
    chromium,
    digits_batches,
    ended_well,
    modules_with,
    node,
    plain,
    write_digits,
)
from tests.bundles.test_hosts import host
from tests.bundles.test_node import node_losses

DRIVER = Path(__file__).with_name("drive.mjs")
STEPS = 100


class Page:
    """The example, served from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = [node(), DRIVER, modules_with("playwright-core", "browser"), chromium()]
        shutil.copytree(EXAMPLES / "browser", folder, ignore=_not_ours)
        web = "node_modules/onnxruntime-web/dist"
        (folder / web).mkdir(parents=True)
        for file in (
            "ort.wasm.min.mjs",
            "ort-wasm-simd-threaded.mjs",
            "ort-wasm-simd-threaded.wasm",
        ):
            shutil.copy(
                modules_with("onnxruntime-web", "browser").parent / web / file, folder / web
            )
        write_digits(folder / "data")
        self.server = make_server(folder, 0)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def drive(self, what: str, out: Path) -> Any:
        address = f"http://127.0.0.1:{self.server.server_port}/"
        return json.loads(ended_well([*self.commands, what, address, out]))


def _not_ours(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("data", "node_modules")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    made = Page(tmp_path_factory.mktemp("served") / "browser")
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_page_trains_draws_saves_and_resumes(page: Page, tmp_path: Path) -> None:
    loaded = ng.load_step(page.folder / "data" / "bundle")
    batch, *others = digits_batches(page.folder / "data", 6)
    for other in others:
        loaded(*other)
    ng.save(loaded.state_dict(), tmp_path / "python.safetensors")
    found = page.drive("visit", tmp_path)
    assert not found["complaints"]
    early, late = found["early"], found["late"]
    assert late["loss"] < 0.3 < 1 < early["loss"]
    assert found["first"]["accuracy"] < 50 < 90 < late["accuracy"]
    assert found["longest"] < 1000  # milliseconds that the page did not answer
    assert found["drawn"] == "0"
    assert sum(int(share.rstrip("%")) for share in found["typed"]) == pytest.approx(100, abs=5)
    assert found["overflow"] <= 0

    assert found["resumed"].pop("status").startswith(f"Resumed at step {late['step']}")
    assert found["resumed"] == late
    assert found["reset"] == found["first"]
    assert found["opened"] == {**late, "loss": None}
    assert found["python"]["step"] == 5
    assert found["first"]["accuracy"] < found["python"]["accuracy"] < 90
    assert found["refused"].pop("problem") == (
        "bad.safetensors was not opened: it is not a whole safetensors file."
    )
    assert found["refused"] == found["python"]
    for name in ("wide", "narrow", "dark"):
        assert (tmp_path / f"{name}.png").stat().st_size > 20_000

    loaded.load_state_dict(ng.load(tmp_path / "saved.safetensors"))
    assert float(loaded(*batch)["loss"]) < 0.3


def test_the_page_says_what_is_missing(page: Page, tmp_path: Path) -> None:
    found = page.drive("problems", tmp_path)
    for name, words in {
        "bundle": "run “python examples/digits_in_browser.py”",
        "version": "the bundle is of version 2, and this program reads version 1",
        "network": "not that of the digits",
        "damaged": "manifest.json is damaged",
        "scans": "no data/scans.bin",
        "runtime": "run “npm install”",
        "kernels": "onnxruntime-web can't load train_step.onnx",
        "worker": "trainer.mjs",
        "wasm": "no WebAssembly",
    }.items():
        assert words in found.pop(name), name
    assert not found


def test_losses_are_equal_in_python_in_node_and_in_the_browser(page: Page, tmp_path: Path) -> None:
    bundle = page.folder / "data" / "bundle"
    batches = list(digits_batches(page.folder / "data", STEPS))
    train = host(bundle)["train"]
    wanted = [float(train(*batch)[0]) for batch in batches]
    rows = [{"x": plain(x), "y": plain(y)} for x, y in batches]
    in_node = node_losses(bundle, rows, tmp_path)
    in_chromium = page.drive("losses", tmp_path)
    for found in (in_node, in_chromium):
        assert len(found) == STEPS
        np.testing.assert_allclose(found, wanted, 1e-3, 1e-4)
    assert np.mean(wanted[-10:]) < 0.1 * np.mean(wanted[:10])

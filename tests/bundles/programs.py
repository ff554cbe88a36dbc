"""What runs bundles outside of Python; a test is skipped, with its reason, where it is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nngraph.ir.op import Array

__all__ = [
    "EXAMPLES",
    "chromium",
    "digits_batches",
    "ended_well",
    "modules_with",
    "node",
    "plain",
    "write_digits",
]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def modules_with(package: str, example: str) -> Path:
    """The folder in which an example's package is."""
    folder = Path(os.environ.get("NNGRAPH_NODE_MODULES", EXAMPLES / example / "node_modules"))
    if not (folder / package).is_dir():
        pytest.skip(f"{package} is not installed: make test-web installs it")
    return folder


def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed: Debian's package has that name")
    return found


def ended_well(command: list[Any], folder: Path | None = None) -> str:
    """What a program prints."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_digits(folder: Path) -> Path:
    """What the page trains, written by its script."""
    ended_well([sys.executable, EXAMPLES / "digits_in_browser.py", "--out", folder])
    return folder


def digits_batches(data: Path, count: int) -> Iterator[tuple[Array, Array]]:
    """Of random scans that ``write_digits`` wrote, as the network reads them."""
    sizes = json.loads((data / "scans.json").read_text())
    total, train = sizes["train"] + sizes["test"], sizes["train"]
    raw = np.frombuffer((data / "scans.bin").read_bytes(), np.uint8)
    images = raw[: total * 64].reshape(total, 1, 8, 8).astype(np.float32) / 8 - 1
    rng = np.random.default_rng(0)
    for _ in range(count):
        rows = rng.choice(train, sizes["batch"], replace=False)
        yield images[rows], raw[total * 64 :][rows].astype(np.int64)


def plain(array: Array) -> dict[str, Any]:
    """An array for JSON, as the hosts of the examples read it."""
    return {"dtype": str(array.dtype), "shape": array.shape, "data": array.ravel().tolist()}

"""``nngraph doctor``: what is here, what works with it, and how to get the rest."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import numpy as np

from nngraph.backends.base import usable_cpus
from nngraph.backends.cache import default_cache_folder
from nngraph.backends.registry import BACKENDS, Registration
from nngraph.cli.named import json_option
from nngraph.cli.text import say, say_json
from nngraph.frontend.compile import compile
from nngraph.frontend.functional.creation import ones
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.tensor import Tensor
from nngraph.nn.parameter import Parameter
from nngraph.optim import SGD
from nngraph.runtime.table import table
from nngraph.version import __version__

__all__ = ["command"]

#: Of an x86 processor, what kernels gain most from, best first.
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2")
_TOOLS = {
    "g++": "builds the C++ examples",
    "node": "trains exported steps in JavaScript",
    "chromium": "drives the browser example's test",
}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Says what is installed, runs a training step on each backend, and how to get the rest.

    Exit code 3: no backend but the reference works.
    """
    checks = [_backend(row) for row in BACKENDS.values()]
    report = {
        "nngraph": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": usable_cpus(),
        "vectors": _vectors(),
        "packages": _packages(),
        "backends": checks,
        "tools": [
            {"tool": tool, "path": shutil.which(tool), "for": use} for tool, use in _TOOLS.items()
        ],
        "cache": _cache(),
    }
    if as_json:
        say_json(report)
    else:
        _print(report)
    if not any(check["works"] for check in checks if check["backend"] != "reference"):
        raise click.exceptions.Exit(3)


def _print(report: dict[str, Any]) -> None:
    head = ("nngraph", "python", "machine", "processors", "vectors", "cache")
    lines = [f"{name:11} {report[name]}" for name in head]
    rows = [(c["backend"], "works" if c["works"] else "no", c["why"]) for c in report["backends"]]
    tools = [(t["tool"], t["path"] or "not found", t["for"]) for t in report["tools"]]
    say(
        "\n".join(lines),
        table(("package", "version"), list(report["packages"].items())),
        table(("backend", "", "why"), rows),
        table(("tool", "where", "what it is for"), tools),
    )


def _packages() -> dict[str, str]:
    found = {}
    for name in ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "apache-tvm", "safetensors"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _backend(row: Registration) -> dict[str, Any]:
    """Whether a small training step gives the right loss there."""
    if row.missing:
        why = f"{', '.join(row.missing)} not installed: pip install 'nngraph[{row.extra}]'"
        return {"backend": row.name, "works": False, "why": why}
    try:
        losses = _losses(row.name)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return {"backend": row.name, "works": False, "why": why}
    works = bool(np.allclose(losses, _WANTED, rtol=1e-5))
    why = "a training step gives the losses that it shall" if works else f"wrong losses: {losses}"
    return {"backend": row.name, "works": works, "why": why}


#: Two losses ``sum((w * x)**2)`` of ``w -= 0.25 * gradient``, from w = 1, with x = (0.5, 1).
_WANTED = (1.25, (0.5 * (1 - 0.5 * 0.5**2)) ** 2 + (1 - 0.5) ** 2)


def _losses(backend: str) -> list[float]:
    weight = Parameter(ones(2))
    optimizer = SGD([weight], lr=0.25)

    @compile(backend=backend)
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = ((weight * x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = tensor([0.5, 1.0])
    return [step(x).item() for _ in _WANTED]


def _vectors() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return "unknown"
    return next((name for name in _VECTORS if name in flags), "none of x86's")


def _cache() -> str:
    folder = default_cache_folder()
    if folder is None or not folder.is_dir():
        return f"{folder} (empty)"
    size = 0
    for root, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):  # other processes write and delete here meanwhile
                size += os.stat(os.path.join(root, name)).st_size
    return f"{folder} ({size / 1e6:.1f} MB; may be deleted)"

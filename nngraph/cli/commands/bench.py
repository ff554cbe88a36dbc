"""``nngraph bench``: how long a step takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from nngraph.backends.registry import BACKENDS
from nngraph.cli.hosts import batch_for, host_of
from nngraph.cli.named import Asked, failing, host_options, json_option
from nngraph.cli.text import say, say_json
from nngraph.runtime.table import table

__all__ = ["command"]

_SHARES = (10, 50, 90, 99)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(list(BACKENDS)),
    help="For bundles; several take turns.",
)
@click.option("--warmup", default=10, show_default=True, help="Steps before those that count.")
@click.option("--repeat", default=100, show_default=True, help="Steps that count.")
@host_options
@json_option
def command(
    path: Path, backends: Sequence[str], warmup: int, repeat: int, asked: Asked, as_json: bool
) -> None:
    """Times steps of PATH, a bundle or an ONNX file: percentiles in milliseconds.

    The first step of each backend, which compiles, is timed apart.
    """
    rows: list[dict[str, Any]] = []
    with failing():
        hosts = {name or "onnx": host_of(path, name, asked.threads) for name in backends or (None,)}
        batches = {}
        for name, host in hosts.items():
            batches[name] = batch_for(host.inputs, asked)
        first = {name: _seconds(host, batches[name]) for name, host in hosts.items()}
        times: dict[str, list[float]] = {name: [] for name in hosts}
        hidden = as_json or not sys.stdout.isatty()
        with click.progressbar(range(warmup + repeat), label="steps", hidden=hidden) as bar:
            for number in bar:
                for name, host in hosts.items():
                    seconds = _seconds(host, batches[name])
                    if number >= warmup:
                        times[name].append(seconds)
        for name, found in times.items():
            shares = np.percentile(found, _SHARES) * 1e3
            named = {f"p{share}": float(ms) for share, ms in zip(_SHARES, shares, strict=True)}
            rows.append({"backend": name, "first": first[name] * 1e3, **named})
    if as_json:
        say_json({"unit": "ms", "steps": repeat, "warmup": warmup, "rows": rows})
        return
    headers = ("backend", "first step", *(f"{share} %" for share in _SHARES))
    cells = [(r["backend"], *(f"{v:.3f}" for v in list(r.values())[1:])) for r in rows]
    say(f"milliseconds a step, of {repeat} after {warmup}", table(headers, cells))


def _seconds(host: Any, batch: dict[str, Any]) -> float:
    start = time.perf_counter()
    host.step(batch)
    return time.perf_counter() - start

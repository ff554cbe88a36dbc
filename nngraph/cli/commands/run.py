"""``nngraph run``: steps of a bundle or a file, on given or drawn batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from nngraph.backends.registry import BACKENDS
from nngraph.cli.hosts import batch_for, host_of
from nngraph.cli.named import Asked, failing, host_options, json_option
from nngraph.cli.text import say, say_json
from nngraph.frontend.checkpoint.save import save
from nngraph.frontend.functional.data import tensor
from nngraph.ir.op import Array
from nngraph.runtime.table import table

__all__ = ["command"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(list(BACKENDS)), help="For bundles.")
@click.option("--steps", default=1, show_default=True, help="Each has a batch drawn anew.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A folder for the last results (results.npz) and the state (state.safetensors).",
)
@host_options
@json_option
def command(
    path: Path, backend: str | None, steps: int, out: Path | None, asked: Asked, as_json: bool
) -> None:
    """Runs PATH, a bundle or an ONNX file; the state goes from step to step.

    Inputs that no --input names are drawn: floats from the normal distribution, integers from 0 to
    below --below.
    """
    rows: list[dict[str, Any]] = []
    results: dict[str, Array] = {}
    with failing():
        host = host_of(path, backend, asked.threads)
        for number in range(steps):
            batch = batch_for(host.inputs, replace(asked, seed=asked.seed + number))
            results = host.step(batch)
            rows += [{"step": number + 1, **_facts(n, a)} for n, a in results.items()]
        if out is not None:
            _write(out, results, host.state())
    if as_json:
        say_json(rows)
    else:
        say(table(("step", "name", "type", "mean", "least", "most"), [_row(r) for r in rows]))


def _facts(name: str, array: Array) -> dict[str, Any]:
    numbers = array.astype(np.float64)
    sums = (numbers.mean(), numbers.min(), numbers.max()) if numbers.size else (None,) * 3
    mean, least, most = (None if n is None else float(n) for n in sums)
    kind = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    return {"name": name, "type": kind, "mean": mean, "least": least, "most": most}


def _row(facts: Mapping[str, Any]) -> tuple[object, ...]:
    numbers = ("?" if facts[k] is None else f"{facts[k]:.6g}" for k in ("mean", "least", "most"))
    return (facts["step"], facts["name"], facts["type"], *numbers)


def _write(out: Path, results: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "results.npz", **dict[str, Any](results))
    if state:
        save({name: tensor(array) for name, array in state.items()}, out / "state.safetensors")

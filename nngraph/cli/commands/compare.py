"""``nngraph compare``: two files, or a bundle on a backend and the reference, node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from nngraph.backends.onnx.describe import with_outputs
from nngraph.backends.onnx.load import session
from nngraph.backends.registry import BACKENDS
from nngraph.cli.hosts import BundleHost, FileHost, batch_for
from nngraph.cli.named import Asked, failing, host_options, json_option
from nngraph.cli.text import say, say_json
from nngraph.runtime.agreement import Difference, compared
from nngraph.runtime.table import table

__all__ = ["command"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@click.option(
    "--backend",
    type=click.Choice(list(BACKENDS)),
    default="onnx",
    show_default=True,
    help="For a bundle: what is compared with the operators' definitions in NumPy.",
)
@click.option("--rtol", type=float, help="Allowed share of the largest element; else by dtype.")
@click.option("--atol", type=float, default=0.0, help="Allowed distance besides.")
@click.option("--worst", default=5, show_default=True, help="How many rows are shown.")
@host_options
@json_option
def command(
    path: Path,
    other: Path | None,
    backend: str,
    rtol: float | None,
    atol: float,
    worst: int,
    asked: Asked,
    as_json: bool,
) -> None:
    """Compares PATH with OTHER, or with the reference.

    With one PATH, a bundle: the results of a step and each operator, on the values that it met on
    the backend, with their definitions. With two ONNX files: the outputs of one batch, and the
    values inside that have one name in both. Exit code 3: they differ.
    """
    with failing():
        if other is None:
            rows = _with_reference(path, backend, asked)
        else:
            rows = _of_files(path, other, asked)
    rows = [row.allowing(rtol, atol) for row in rows]
    faults = [row for row in rows if row.is_fault]
    shown = sorted(rows, key=lambda row: -row.excess)[:worst]
    if as_json:
        say_json({"compared": len(rows), "differ": len(faults), "worst": [_json(r) for r in shown]})
    else:
        first = f"; the first is {faults[0].name} {faults[0].place}".rstrip() if faults else ""
        cells = [
            (r.name, r.place, f"{r.error:.3g}", f"{r.allowed:.3g}", "differs" if r.is_fault else "")
            for r in shown
        ]
        say(
            f"{len(rows)} values compared, {len(faults)} differ{first}",
            table(("value", "made at", "distance", "allowed", ""), cells),
        )
    if faults:
        raise click.exceptions.Exit(3)


def _with_reference(path: Path, backend: str, asked: Asked) -> list[Difference]:
    if not path.is_dir():
        raise click.BadParameter(f"{path} is no bundle: name a second ONNX file to compare it with")
    host = BundleHost(path, backend, asked.threads)
    batch = batch_for(host.inputs, asked)
    return host.loaded.compared(**batch)


def _of_files(path: Path, other: Path, asked: Asked) -> list[Difference]:
    hosts = [FileHost(each, asked.threads) for each in (path, other)]
    batch = batch_for(hosts[0].inputs, asked)
    kinds = [
        {port.name: node.kind for node in host.facts.nodes for port in node.outputs}
        for host in hosts
    ]
    shared = [name for name, kind in kinds[0].items() if kinds[1].get(name) == kind]
    values = []
    for each, host in zip((path, other), hosts, strict=True):
        probe = session(with_outputs(each, shared), asked.threads or 1)
        names = [o.name for o in probe.get_outputs()]
        values.append(dict(zip(names, probe.run(None, host.feed(batch)), strict=True)))
    return [
        compared(name, np.asarray(values[1][name]), np.asarray(value))
        for name, value in values[0].items()
        if name in values[1]
    ]


def _json(row: Difference) -> dict[str, Any]:
    return {
        "name": row.name,
        "place": row.place,
        "distance": row.error if np.isfinite(row.error) else str(row.error),
        "allowed": row.allowed,
        "differs": row.is_fault,
    }

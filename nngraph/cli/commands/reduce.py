"""``nngraph reduce``: the smallest part of a step that a backend computes wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from nngraph.backends.files import write_folder
from nngraph.backends.registry import BACKENDS
from nngraph.cli.hosts import BundleHost, batch_for
from nngraph.cli.named import Asked, failing, host_options, json_option
from nngraph.cli.text import say, say_json
from nngraph.runtime.agreement import Difference
from nngraph.runtime.reduction import Reduced

__all__ = ["command"]


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="onnx", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A folder for the part: graph.txt, and arguments.npz with what it meets.",
)
@host_options
@json_option
def command(bundle: Path, backend: str, out: Path | None, asked: Asked, as_json: bool) -> None:
    """Looks for what a backend computes otherwise than the reference in a step of BUNDLE.

    Names the first pass after which the graph means something else, and bisects the nodes to the
    smallest part that disagrees when it is compiled alone. Exit code 3: there is something.
    """
    if out is not None and out.exists():
        raise click.BadParameter(f"--out {out}: there is something of that name")
    with failing():
        host = BundleHost(bundle, backend, asked.threads)
        batch = batch_for(host.inputs, asked)
        wrong_pass, part = host.loaded.reduced(**batch)
        if part is not None and out is not None:
            _write(out, part)
    report = _report(wrong_pass, part)
    if as_json:
        say_json(report)
    else:
        _print(report, out)
    if wrong_pass is not None or part is not None:
        raise click.exceptions.Exit(3)


def _report(wrong_pass: tuple[str, Difference] | None, part: Reduced | None) -> dict[str, Any]:
    report: dict[str, Any] = {"pass": None, "nodes": None}
    if wrong_pass is not None:
        report |= {"pass": wrong_pass[0], "after_the_pass": str(wrong_pass[1])}
    if part is not None:
        report |= {
            "nodes": len(part.graph),
            "tried": part.tried,
            "graph": str(part.graph),
            "differences": [str(row) for row in part.differences],
        }
    return report


def _print(report: dict[str, Any], out: Path | None) -> None:
    if report["pass"] is None and report["nodes"] is None:
        say("the backend and the reference agree")
        return
    parts: list[str] = []
    if report["pass"] is not None:
        parts.append(f"first pass that changes the meaning: {report['pass']}")
        parts.append(report["after_the_pass"])
    if report["nodes"] is not None:
        parts.append(f"{report['nodes']} nodes still disagree ({report['tried']} parts tried)")
        parts += [report["graph"], "\n".join(report["differences"])]
        if out is not None:
            parts.append(f"wrote {out}")
    say(*parts)


def _write(out: Path, part: Reduced) -> None:
    names = [value.hint or f"in{i}" for i, value in enumerate(part.graph.inputs)]
    pairs = enumerate(zip(names, part.arguments, strict=True))
    arrays = {f"{i:03}_{name}": array for i, (name, array) in pairs}
    write_folder(
        out,
        {
            "graph.txt": lambda path: path.write_text(str(part.graph)),
            "arguments.npz": lambda path: np.savez(path, **dict[str, Any](arrays)),
        },
    )

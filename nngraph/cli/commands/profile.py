"""``nngraph profile``: what a step's time and memory go to."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nngraph.backends.files import write_atomically
from nngraph.backends.registry import BACKENDS
from nngraph.cli.hosts import batch_for, host_of
from nngraph.cli.named import Asked, failing, host_options, json_option
from nngraph.cli.text import say, say_json

__all__ = ["command"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(list(BACKENDS)), help="For bundles.")
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True, help="That count.")
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Steps before those that count.",
)
@click.option(
    "--by",
    type=click.Choice(["operator", "module", "phase", "row"]),
    help="One table: of groups, or `row` for each operator by itself. Else the three of groups.",
)
@click.option("--depth", type=click.IntRange(1), help="Parts of module paths that are told apart.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    help="A file for chrome://tracing and ui.perfetto.dev.",
)
@click.option(
    "--times",
    type=click.Path(path_type=Path),
    help="A file for `nngraph view --times`, where PATH is an ONNX file.",
)
@host_options
@json_option
def command(
    path: Path,
    backend: str | None,
    steps: int,
    warmup: int,
    by: str | None,
    depth: int | None,
    trace: Path | None,
    times: Path | None,
    asked: Asked,
    as_json: bool,
) -> None:
    """Profiles steps of PATH, a bundle or an ONNX file: time and memory by operator, module, phase.

    Steps go on from the state that is in PATH, which is not written.
    """
    if times is not None and path.is_dir():
        raise click.BadParameter(
            f"--times is by the nodes of an ONNX file: profile {path / 'train_step.onnx'}"
        )
    if depth is not None and by is None:
        by = "module"
    with failing():
        host = host_of(path, backend, asked.threads)
        batch = batch_for(host.inputs, asked)
        found = host.profile(batch, steps, warmup)
        if trace is not None:
            found.to_chrome_trace(trace)
        if times is not None:
            write_atomically(times, json.dumps(found.node_times()).encode())
    if as_json:
        say_json(found.to_dict())
    else:
        say(str(found) if by is None else found.table(by, depth))

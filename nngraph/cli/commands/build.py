"""``nngraph build``: a function or model to machine code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nngraph.backends.tvm.targets import HOST, TARGETS
from nngraph.cli.named import argument_option, failing, found, json_option, specs
from nngraph.cli.text import say, say_json
from nngraph.frontend.binaries import build
from nngraph.nn.modules.module import Module
from nngraph.runtime.table import amount

__all__ = ["command"]


@click.command()
@click.argument("function", metavar="MODULE:NAME")
@click.argument("path", type=click.Path(path_type=Path))
@argument_option
@click.option("--target", type=click.Choice(TARGETS), default=HOST, help="What it shall run on.")
@click.option("--link/--no-link", default=True, help="--no-link leaves an object file.")
@click.option("--eval/--train", "evaluating", default=True, help="The mode of a model.")
@json_option
def command(
    function: str,
    path: Path,
    arguments: Sequence[str],
    target: str,
    link: bool,
    evaluating: bool,
    as_json: bool,
) -> None:
    """Writes MODULE:NAME - a model, a function, a compiled training step - to the folder PATH.

    Its arguments' types are said by --arg, one for each; all sizes are numbers. The folder runs
    without a compiler (docs/binaries.md).

    Example: nngraph build train:step digits-v3 --arg 'float32[32,64]' --arg 'int64[32]'
    --target x86-64-v3
    """
    with failing():
        value = found(function)
        if isinstance(value, Module):
            value.train(not evaluating)
        written = build(value, path, *specs(arguments), target=target, link=link)
        size = sum(file.stat().st_size for file in written.iterdir())
    if as_json:
        say_json({"folder": str(written), "target": target, "bytes": size})
    else:
        say(f"wrote {written} for {target}, {amount(size, 'B')}")

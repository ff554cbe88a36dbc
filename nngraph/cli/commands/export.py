"""``nngraph export``: a function or model to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nngraph.cli.named import argument_option, failing, found, json_option, specs
from nngraph.cli.text import say, say_json
from nngraph.frontend.export import export
from nngraph.nn.modules.module import Module

__all__ = ["command"]


@click.command()
@click.argument("function", metavar="MODULE:NAME")
@click.argument("path", type=click.Path(path_type=Path))
@argument_option
@click.option("--eval/--train", "evaluating", default=True, help="The mode of a model.")
@json_option
def command(
    function: str, path: Path, arguments: Sequence[str], evaluating: bool, as_json: bool
) -> None:
    """Writes MODULE:NAME - a model, a function, a compiled training step - to PATH.

    Its arguments' types are said by --arg, one for each.

    Example: nngraph export train:model model.onnx --arg 'float32[batch,64]'
    """
    with failing():
        value = found(function)
        if isinstance(value, Module):
            value.train(not evaluating)
        written = export(value, path, *specs(arguments))
    if as_json:
        say_json({"file": str(written), "bytes": Path(written).stat().st_size})
    else:
        say(f"wrote {written}")

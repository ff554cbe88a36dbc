"""The group of commands; a command's module is imported when the command is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from nngraph.version import __version__

__all__ = ["COMMANDS", "main"]

#: What each command is for, and the module that has it as ``command``.
COMMANDS: dict[str, tuple[str, Callable[[], Any]]] = {
    "inspect": (
        "What is in a file: inputs, state, operators, costs, by module.",
        lambda: import_module("nngraph.cli.commands.inspect"),
    ),
    "view": (
        "A file as a page that shows its graph.",
        lambda: import_module("nngraph.cli.commands.view"),
    ),
    "run": ("Steps of a bundle or a file.", lambda: import_module("nngraph.cli.commands.run")),
    "compare": (
        "Two files, or a bundle and the reference, node by node.",
        lambda: import_module("nngraph.cli.commands.compare"),
    ),
    "reduce": (
        "The smallest part of a step that a backend computes wrongly.",
        lambda: import_module("nngraph.cli.commands.reduce"),
    ),
    "bench": ("How long a step takes.", lambda: import_module("nngraph.cli.commands.bench")),
    "profile": (
        "What a step's time and memory go to, by operator, module and phase.",
        lambda: import_module("nngraph.cli.commands.profile"),
    ),
    "export": (
        "Writes a model or a training step to a file.",
        lambda: import_module("nngraph.cli.commands.export"),
    ),
    "build": (
        "Compiles a model or a training step to machine code for a processor.",
        lambda: import_module("nngraph.cli.commands.build"),
    ),
    "passes": (
        "The graph of a function, and after each pass.",
        lambda: import_module("nngraph.cli.commands.passes"),
    ),
    "doctor": (
        "What is installed, what works here, and how to get the rest.",
        lambda: import_module("nngraph.cli.commands.doctor"),
    ),
    "serve": (
        "Serves a folder to this machine's browsers.",
        lambda: import_module("nngraph.cli.commands.serve"),
    ),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = COMMANDS[cmd_name][1]().command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, use) for name, (use, _) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nngraph")
def main() -> None:
    """Compiles neural networks and the loops that train them.

    Files are ONNX models and the folders of bundles. A function or model of your own is named
    `module:name`, as in `train:step` for `step` in train.py; `train:make()` calls a function for
    it. Every command takes --json. Exit codes: 0 all went well, 1 it failed, 2 the command line is
    wrong, 3 the answer is no.
    """

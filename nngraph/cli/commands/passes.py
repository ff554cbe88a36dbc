"""``nngraph passes``: the graph as traced, and after each pass of a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.registry import BACKENDS
from nngraph.cli.named import argument_option, failing, found, json_option, specs
from nngraph.cli.text import say, say_json
from nngraph.frontend.compile import trace
from nngraph.passes.base import Context

__all__ = ["command"]


@click.command()
@click.argument("function", metavar="MODULE:NAME")
@argument_option
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="onnx", show_default=True)
@click.option("--only", metavar="PASS", help="Print the graph after this pass alone.")
@click.option("--summary", is_flag=True, help="A line for each pass, and no graph.")
@json_option
def command(
    function: str,
    arguments: Sequence[str],
    backend: str,
    only: str | None,
    summary: bool,
    as_json: bool,
) -> None:
    """Prints the graph of MODULE:NAME as traced, and after each pass that changed it."""
    with failing():
        value = found(function)
        graph = trace(value, *specs(arguments))
        steps: list[dict[str, Any]] = [
            {"pass": "trace", "changes": len(graph), "nodes": len(graph), "graph": str(graph)}
        ]

        def note(step: Any, graph: Any, changes: int) -> None:
            row = {"pass": step.name, "changes": changes, "nodes": len(graph), "graph": str(graph)}
            steps.append(row)

        pipeline = get_backend(backend).pipeline(Target(backend)).observed(note)
        pipeline.run(graph.clone(), Context())
    names = [row["pass"] for row in steps]
    if only is not None and only not in names:
        raise click.BadParameter(f"--only {only!r}: the passes are {', '.join(names)}")
    shown = [row for row in steps if only in (None, row["pass"])]
    if as_json:
        say_json(shown)
        return
    for row in shown:
        count = row["nodes"]
        line = f"after {row['pass']}: {row['changes']} changes, {count} nodes"
        say(line if summary else f"## {line}" + _graph_of(row, only is not None))


def _graph_of(row: dict[str, Any], always: bool) -> str:
    return f"\n\n{row['graph']}\n" if row["changes"] or always else ""

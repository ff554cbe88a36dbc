"""``nngraph view``: a file as a page that shows its graph."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from nngraph.backends.files import write_atomically
from nngraph.backends.onnx.describe import Description, NodeFacts, Port, describe
from nngraph.cli.named import failing, json_option, size_option, sizes
from nngraph.cli.text import say, say_json

__all__ = ["command", "page_of"]

_PHASES = ("forward", "backward", "update", "port")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The page; else FILE with the suffix .html."
)
@click.option(
    "--times",
    type=click.Path(path_type=Path),
    help="JSON of milliseconds by the name of a node, to shade the graph with.",
)
@size_option
@json_option
def command(
    file: Path, out: Path | None, times: Path | None, given: Sequence[str], as_json: bool
) -> None:
    """Writes a page that shows the graph of FILE: one HTML file that needs no network.

    Nodes are grouped by phase - forward, backward, update - and by the path of the module that made
    them; an update by the parameter that it is of. Groups open and fold; all can be searched.
    """
    out = out or file.with_suffix(".html")
    with failing():
        found = {} if times is None else _times(times)
        page = page_of(describe(file, sizes(given)), found)
        write_atomically(out, page.encode())
    if as_json:
        say_json({"file": str(out), "bytes": len(page.encode())})
    else:
        say(f"wrote {out}")


def _times(path: Path) -> dict[str, float]:
    data = json.loads(path.read_text())
    if not isinstance(data, dict) or not all(map(_is_time, data.values())):
        raise ValueError(f"{path} is not a JSON object of milliseconds by the name of a node")
    return {str(name): float(value) for name, value in data.items()}


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < math.inf


def page_of(facts: Description, times: Mapping[str, float] | None = None) -> str:
    """The page, whole.

    Args:
        facts: what it shows.
        times: milliseconds by the name of a node.
    """
    folder = files("nngraph.cli") / "page"
    parts = {
        "title": html.escape(facts.path.name).replace("{", "&#123;"),
        "style": (folder / "view.css").read_text(),
        "script": (folder / "view.mjs").read_text(),
        # Nothing in a name may end the element that holds it.
        "data": json.dumps(_Graph(facts, times or {}).data()).replace("<", "\\u003c"),
    }
    page = (folder / "view.html").read_text()
    for name, text in parts.items():
        before, mark, after = page.partition("{{" + name + "}}")
        assert mark, "the template has a place for each part"
        page = before + text + after
    return page


class _Graph:
    """The graph as the page's script reads it: groups in a tree, nodes in them, edges."""

    def __init__(self, facts: Description, times: Mapping[str, float]) -> None:
        self.facts = facts
        self.times = times
        self.groups: list[tuple[str, int, int]] = [("", -1, 3)]
        self._known: dict[tuple[str, ...], int] = {(): 0}
        self.nodes: list[list[Any]] = []
        self.values: list[tuple[list[str], list[str]]] = []
        self._makers: dict[str, int] = {}
        self.edges: list[int] = []

    def data(self) -> dict[str, Any]:
        """All of it."""
        facts = self.facts
        for port in facts.inputs:
            self._add_port("input", port, [], [port])
        owners = _owners(facts)
        for index, node in enumerate(facts.nodes):
            self._add(node, owners.get(index, ""))
        for port in facts.outputs:
            self._add_port("output", port, [port], [])
        return {
            "file": facts.path.name,
            "opset": facts.opset,
            "count": len(facts.nodes),
            "timed": bool(self.times),
            "groups": self.groups,
            "nodes": self.nodes,
            "values": self.values,
            "edges": self.edges,
        }

    def _group(self, path: tuple[str, ...], phase: int) -> int:
        if path not in self._known:
            parent = self._group(path[:-1], phase)
            self._known[path] = len(self.groups)
            self.groups.append((path[-1], parent, phase))
        return self._known[path]

    def _add(self, node: NodeFacts, owner: str) -> None:
        phase = _PHASES.index(node.phase)
        parts = (owner or node.module).split(".") if owner or node.module else []
        group = self._group((node.phase, *parts), phase)
        kind = node.outputs[0] if node.outputs else None
        shown = _short(kind) if kind is not None else ""
        self._place(
            [node.kind, node.name, group, node.place, phase, node.flops, node.nbytes, shown],
            node.inputs,
            node.outputs,
        )

    def _add_port(
        self, kind: str, port: Port, reads: Sequence[Port], makes: Sequence[Port]
    ) -> None:
        row = [port.name, f"{kind} {port.name}", 0, "", 3, 0, 0, f"{kind} {_short(port)}"]
        self._place(row, reads, makes)

    def _place(self, row: list[Any], reads: Sequence[Port], makes: Sequence[Port]) -> None:
        index = len(self.nodes)
        self.nodes.append([*row, self.times.get(row[1], 0)])
        self.values.append(([f"{p.name} {p}" for p in reads], [f"{p.name} {p}" for p in makes]))
        for maker in dict.fromkeys(self._makers.get(port.name) for port in reads):
            if maker is not None:
                self.edges += (maker, index)
        self._makers |= {port.name: index for port in makes}


def _short(port: Port) -> str:
    return str(port).replace("float", "f").replace("uint", "u").replace("int", "i")


def _owners(facts: Description) -> dict[int, str]:
    """The parameter that each node of an update is of, where that is one.

    An update ends in a new state, and a moment's name ends in that of its parameter.
    """
    own = sorted((p.name for p in facts.states if not p.name.startswith("optimizer.")), key=len)
    wanted: dict[str, set[str]] = {}
    for state in facts.states:
        fits = [name for name in own if state.name == name or state.name.endswith(f".{name}")]
        if fits:
            wanted[f"{state.name}.next"] = {fits[-1]}
    found: dict[int, str] = {}
    for index in range(len(facts.nodes) - 1, -1, -1):
        node = facts.nodes[index]
        if node.phase != "update":
            continue
        names = set().union(*(wanted.get(port.name, set()) for port in node.outputs))
        if len(names) == 1:
            (found[index],) = names
        for port in node.inputs:
            wanted.setdefault(port.name, set()).update(names)
    return found

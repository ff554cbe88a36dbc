"""``nngraph inspect``: what is in a file, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nngraph.backends.onnx.describe import Description, NodeFacts, Port, describe
from nngraph.cli.named import failing, json_option, size_option, sizes
from nngraph.cli.text import say, say_json
from nngraph.runtime.table import amount, table

__all__ = ["command"]

_PHASES = ("forward", "backward", "update")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--depth", default=1, show_default=True, help="Parts of module paths that are shown.")
@size_option
@json_option
def command(file: Path, depth: int, given: Sequence[str], as_json: bool) -> None:
    """Shows inputs, outputs, state, operators, parameters, FLOPs and memory of FILE, by module.

    A multiplication and an addition count as two FLOPs. What depends on a dynamic size shows as
    `?` until --size says it.
    """
    with failing():
        facts = describe(file, sizes(given))
    groups = {
        "modules": _groups(facts.nodes, lambda n: _head(n.module, depth)),
        "operators": _groups(facts.nodes, lambda n: n.kind),
        "phases": _groups(facts.nodes, lambda n: n.phase),
    }
    (_print_json if as_json else _print)(facts, groups)


@dataclass(frozen=True)
class _Group:
    """Nodes that have something in common.

    Attributes:
        name: what it is.
        nodes: how many.
        flops, nbytes: of all of them; None where one's are not known.
        by_phase: how many are in each phase.
    """

    name: str
    nodes: int
    flops: int | None
    nbytes: int | None
    by_phase: tuple[int, ...]


def _head(path: str, depth: int) -> str:
    return ".".join(path.split(".")[:depth]) if path else "(no module)"


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _groups(nodes: Sequence[NodeFacts], key: Callable[[NodeFacts], str]) -> list[_Group]:
    members: dict[str, list[NodeFacts]] = {}
    for node in nodes:
        members.setdefault(key(node), []).append(node)
    return [
        _Group(
            name,
            len(group),
            _sum(n.flops for n in group),
            _sum(n.nbytes for n in group),
            tuple(sum(n.phase == phase for n in group) for phase in _PHASES),
        )
        for name, group in members.items()
    ]


def _bytes(ports: Sequence[Port]) -> int | None:
    return _sum(port.nbytes for port in ports)


def _is_of_optimizer(port: Port) -> bool:
    return port.name.startswith("optimizer.")


def _print(facts: Description, groups: dict[str, list[_Group]]) -> None:
    own = [p for p in facts.states if not _is_of_optimizer(p)]
    parameters = [*own, *(p for p in facts.constants if "float" in p.dtype and p.shape)]
    kept = [p for p in facts.states if _is_of_optimizer(p)]
    head = [
        f"{facts.path}: ONNX opset {facts.opset}, written by {facts.producer or 'an unnamed tool'}",
        f"nodes       {len(facts.nodes)}",
        f"parameters  {amount(_sum(p.elements for p in parameters))} elements in "
        f"{len(parameters)} tensors, {amount(_bytes(parameters), 'B')}",
    ]
    if facts.states:
        head.append(
            f"state       {len(own)} tensors of the model, {len(kept)} of the optimizer "
            f"({amount(_bytes(kept), 'B')}); each call gives them anew"
        )
    total = _sum(n.flops for n in facts.nodes)
    head.append(f"a call      {amount(total, 'FLOP')}")
    rows: list[tuple[str, str, str]] = [("input", p.name, str(p)) for p in facts.inputs]
    rows += [("scalar", name, f"{value:g}") for name, value in facts.scalars.items()]
    rows += [("output", p.name, str(p)) for p in facts.outputs]
    operators = sorted(groups["operators"], key=lambda g: (-(g.flops or 0), -g.nodes))
    say(
        "\n".join(head),
        table(("", "name", "type"), rows),
        table(("module", "nodes", *_PHASES, "FLOP", "bytes"), [_row(g) for g in groups["modules"]]),
        table(
            ("operator", "nodes", "FLOP", "bytes"),
            [(g.name, g.nodes, amount(g.flops), amount(g.nbytes)) for g in operators],
        ),
    )


def _row(group: _Group) -> tuple[object, ...]:
    return (group.name, group.nodes, *group.by_phase, amount(group.flops), amount(group.nbytes))


def _print_json(facts: Description, groups: dict[str, list[_Group]]) -> None:
    def ports(found: Sequence[Port]) -> list[dict[str, Any]]:
        return [{"name": p.name, "dtype": p.dtype, "shape": p.shape} for p in found]

    say_json(
        {
            "file": str(facts.path),
            "producer": facts.producer,
            "opset": facts.opset,
            "nodes": len(facts.nodes),
            "flops": _sum(n.flops for n in facts.nodes),
            "inputs": ports(facts.inputs),
            "scalars": dict(facts.scalars),
            "state": ports(facts.states),
            "outputs": ports(facts.outputs),
            "constants": ports(facts.constants),
            **{
                name: [
                    {
                        "name": g.name,
                        "nodes": g.nodes,
                        **dict(zip(_PHASES, g.by_phase, strict=True)),
                        "flops": g.flops,
                        "bytes": g.nbytes,
                    }
                    for g in found
                ]
                for name, found in groups.items()
            },
        }
    )

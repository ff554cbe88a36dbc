"""Work on graphs grows with their size, not with its square."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from nngraph.ir.analysis import last_reads, live_bytes
from nngraph.ir.equality import structurally_equal
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.verify import verify
from tests.support.counting import calls
from tests.support.toy import REGISTRY, chain

SMALL, LARGE = 2_500, 20_000  # for seconds
FEW, MANY = 250, 2_000  # for calls, which are exact at any size


def erase_all(graph: Graph) -> None:
    for state in graph.states:
        graph.set_state(state.name, state.input)
    graph._outputs.replace_input(0, graph.inputs[0])
    for node in graph.reversed_nodes:
        graph.erase(node)


WORK: dict[str, Callable[[Graph], Any]] = {
    "build": lambda graph: chain(len(graph)),
    "verify": verify,
    "print": print_graph,
    "parse": lambda graph: parse_graph(print_graph(graph), REGISTRY),
    "clone": Graph.clone,
    "compare": lambda graph: structurally_equal(graph, graph),
    "lifetimes": last_reads,
    "bytes": live_bytes,
    "erase": erase_all,
}


@pytest.mark.parametrize("name", WORK)
def test_calls_grow_linearly(name: str) -> None:
    small, large = chain(FEW), chain(MANY)
    ratio = calls(lambda: WORK[name](large)) / calls(lambda: WORK[name](small))
    assert ratio < 1.1 * MANY / FEW


@pytest.mark.parametrize("name", WORK)
def test_time_grows_linearly(name: str) -> None:
    """Catches what one call does inside, such as a search through a list: 64 times for squares."""

    def seconds(size: int, repeats: int) -> float:
        graphs = [chain(size) for _ in range(repeats)]
        gc.collect()
        gc.disable()  # full collections scan all that other tests left, however small the graph
        try:
            start = time.process_time()
            for graph in graphs:
                WORK[name](graph)
            return time.process_time() - start
        finally:
            gc.enable()

    # Another process may disturb one measurement, hardly three.
    assert any(seconds(LARGE, 1) / (seconds(SMALL, 2) / 2) < 3 * LARGE / SMALL for _ in range(3))

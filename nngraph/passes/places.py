"""Places of Python's objects as states, for graphs that run where there is no Python."""

from __future__ import annotations

from nngraph.ir.graph import Graph
from nngraph.ir.roles import Role

__all__ = ["with_places_as_states"]


def with_places_as_states(graph: Graph) -> Graph:
    """A copy in which what code puts at a place that it also reads is that state's next value.

    What it puts there in another type than it reads stays an output.
    """
    twin = graph.clone()
    kinds = {state.name: state.input.type for state in twin.states}
    rows = list(enumerate(zip(twin.outputs, twin.labels, strict=True)))
    for position, (value, label) in reversed(rows):
        if label.role is Role.PLACE and kinds.get(label.of) == value.type:
            twin.set_state(label.of, value)
            twin.drop_output(position)
    return twin

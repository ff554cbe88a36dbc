"""Recurrent layers: one loop over time for each layer and direction.

The products of the inputs of all steps with their weights are one product before the loop.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; Cho et al., "Learning Phrase
Representations using RNN Encoder-Decoder", 2014;
https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from nngraph import ops
from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.functional.joining import cat, stack
from nngraph.frontend.precision.casting import cast_as
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.attributes import Subgraph
from nngraph.ir.builder import Builder
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.dtypes import DType, bool_
from nngraph.ir.graph import Graph
from nngraph.ir.types import tensor_type
from nngraph.nn.functional.dropouts import dropout
from nngraph.nn.functional.products import linear

__all__ = ["CELLS", "Cell", "Weights", "recurrent"]

#: The states of a cell, h first.
States = tuple[Any, ...]


@dataclass(frozen=True)
class Weights:
    """Of one layer and direction.

    Attributes:
        ih, hh: ``[G, I]`` and ``[G, P]``, of the input and of the state.
        bias_ih, bias_hh: ``[G]`` or None.
        hr: ``[P, H]``, the projection of a state; None without.
    """

    ih: Tensor
    hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    hr: Tensor | None = None


@dataclass(frozen=True)
class Cell:
    """A step of a recurrent layer.

    Attributes:
        gates: how many blocks of H the weights have.
        states: how many states there are.
        adds_biases: whether both biases are only ever added to each other.
        step: from input products, recurrent products and states to new states.
    """

    gates: int
    states: int
    adds_biases: bool
    step: Callable[[Any, Any, States], States]


def _parts(x: Any, count: int) -> list[Any]:
    size = x.aval.shape[-1] // count
    return list(ops.split(x, (size,) * count, x.aval.rank - 1))


def _like(x: Any, other: Any) -> Any:
    """``x`` in the dtype of ``other``: under autocast states are wider than gates."""
    return x if x.aval.dtype is other.aval.dtype else ops.cast(x, other.aval.dtype)


def _simple(activation: Callable[[Any], Any]) -> Callable[[Any, Any, States], States]:
    def step(x: Any, r: Any, states: States) -> States:
        return (activation(ops.add(x, r)),)

    return step


def _lstm(x: Any, r: Any, states: States) -> States:
    i, f, g, o = _parts(ops.add(x, r), 4)
    kept = ops.mul(_like(ops.sigmoid(f), states[1]), states[1])
    c = ops.add(kept, _like(ops.mul(ops.sigmoid(i), ops.tanh(g)), kept))
    return ops.mul(_like(ops.sigmoid(o), c), ops.tanh(c)), c


def _gru(x: Any, r: Any, states: States) -> States:
    (xr, xz, xn), (hr, hz, hn) = _parts(x, 3), _parts(r, 3)
    reset, update = ops.sigmoid(ops.add(xr, hr)), ops.sigmoid(ops.add(xz, hz))
    new = _like(ops.tanh(ops.add(xn, ops.mul(reset, hn))), states[0])
    return (ops.add(new, ops.mul(_like(update, new), ops.sub(states[0], new))),)


#: By PyTorch's names of modes.
CELLS: dict[str, Cell] = {
    "RNN_TANH": Cell(1, 1, True, _simple(ops.tanh)),
    "RNN_RELU": Cell(1, 1, True, _simple(ops.relu)),
    "LSTM": Cell(4, 2, True, _lstm),
    "GRU": Cell(3, 1, False, _gru),
}


def recurrent(
    mode: str,
    input: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Weights],
    directions: int,
    dropout_p: float,
    mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers of a recurrent network.

    Args:
        mode: one of ``CELLS``.
        input: ``[T, N, I]``.
        states: h ``[L D, N, P]`` and, of LSTM, c ``[L D, N, H]``.
        weights: of layer 0 forward, layer 0 backward, layer 1 forward, ...
        directions: D, 1 or 2.
        dropout_p: the share of each layer's result, but the last's, that is dropped.
        mask: ``[T, N, 1]`` bools, the steps that a sample has; None: all.

    Returns:
        ``[T, N, D P]``, and the last states.

    Raises:
        RuntimeError: for no steps.
        TraceError: for a dynamic number of them.
    """
    steps = input.aval.shape[0]
    if isinstance(steps, SymDim):
        raise size_is_unknown("a loop over time", steps, world().place())
    if not steps:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if mode == "LSTM" and mask is None and all(w.hr is None for w in weights):
        input, *states = cast_as("lstm", input, *states)  # one operator of PyTorch's, on the CPU
    last: list[list[Tensor]] = [[] for _ in states]
    x = input
    for first in range(0, len(weights), directions):
        results = []
        for k in range(directions):
            begin = [s[first + k] for s in states]
            out, end = _layer(CELLS[mode], mode, x, begin, weights[first + k], bool(k), mask)
            results.append(out)
            for found, state in zip(last, end, strict=True):
                found.append(state)
        x = results[0] if directions == 1 else cat(results, -1)
        if dropout_p and first + directions < len(weights):
            x = dropout(x, dropout_p)
    return x, tuple(stack(found) for found in last)


def _layer(
    cell: Cell,
    mode: str,
    input: Tensor,
    states: Sequence[Tensor],
    w: Weights,
    reverse: bool,
    mask: Tensor | None,
) -> tuple[Tensor, Sequence[Tensor]]:
    """``[T, N, P]``, and the states after the last step."""
    bias, inner = w.bias_ih, w.bias_hh
    if cell.adds_biases and bias is not None and inner is not None:
        bias, inner = bias + inner, None
    x = linear(input, w.ih, bias)
    hh, inner, hr = cast_as("linear", w.hh, inner, w.hr)
    states = _begun(mode, states, hr is not None)
    consts = [c for c in (hh, inner, hr) if c is not None]
    batch, hidden = x.aval.shape[1], w.hh.aval.shape[0] // cell.gates
    size = None if w.hr is None else w.hr.aval.shape[0]
    kinds = tuple(s.dtype for s in states)
    body = _body(mode, batch, hidden, size, inner is not None, mask is not None, x.dtype, kinds)
    xs = [x] if mask is None else [x, mask]
    steps = cast("int", x.aval.shape[0])
    outs = ops.scan(body, states, consts, xs, steps, reverse)
    return outs[cell.states], outs[: cell.states]


def _begun(mode: str, states: Sequence[Tensor], projected: bool) -> Sequence[Tensor]:
    """The first states in the dtypes that all have: what a step computes of them, they are."""
    if len(states) == 2 and not projected:
        return _like(states[0], states[1]), states[1]
    if mode == "GRU":
        return states
    return *cast_as("linear", states[0]), *states[1:]


@functools.cache
def _body(
    mode: str,
    batch: Dim,
    hidden: int,
    size: int | None,
    biased: bool,
    masked: bool,
    dtype: DType,
    kinds: tuple[DType, ...],
) -> Subgraph:
    """One step. It also stacks the states and its product, which the gradient reads."""
    cell, graph = CELLS[mode], Graph(mode.lower())
    width = hidden if size is None else size

    def declare(*shape: Dim, kind: DType = dtype) -> Any:
        return graph.add_input(tensor_type(kind, shape))

    states = [declare(batch, width if i == 0 else hidden, kind=k) for i, k in enumerate(kinds)]
    hh = declare(cell.gates * hidden, width)
    bias = declare(cell.gates * hidden) if biased else None
    hr = None if size is None else declare(size, hidden)
    x = declare(batch, cell.gates * hidden)
    mask = graph.add_input(tensor_type(bool_, (batch, 1))) if masked else None
    with Builder(graph):
        product = ops.matmul(_like(states[0], hh), hh, transpose_b=True)
        product = product if bias is None else ops.add(product, bias)
        new = list(cell.step(x, product, tuple(states)))
        if hr is not None:
            new[0] = ops.matmul(_like(new[0], hr), hr, transpose_b=True)
        if mask is not None:
            new = [ops.where(mask, a, b) for a, b in zip(new, states, strict=True)]
        for value in (*new, *new, product):
            graph.add_output(value)
    return Subgraph(graph)

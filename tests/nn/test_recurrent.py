"""Recurrent layers on packed sequences, long ones, and dropped ones; the tools for sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.ops.linalg import MatMul
from nngraph.ops.scan import Scan
from nngraph.passes.base import Context
from nngraph.passes.dce import DeadCode
from tests.nn.parity import arrays_of, to_ng, to_torch
from tests.support.backends import BACKENDS

RNG = np.random.default_rng(5)
LENGTHS = [5, 3, 3, 1]
SHUFFLED = [3, 5, 1, 3]
INPUT = RNG.standard_normal((5, 4, 3)).astype(np.float32)
STATE = RNG.standard_normal((4, 4, 2)).astype(np.float32)
MODES: dict[str, dict[str, Any]] = {"RNN": {}, "GRU": {}, "LSTM": {"proj_size": 2}}


def _pair(name: str, **options: Any) -> tuple[Any, Any]:
    torch.manual_seed(2)
    size = 3 if options.get("proj_size") else 2
    theirs = getattr(torch.nn, name)(3, size, **options)
    ours = getattr(ng.nn, name)(3, size, **options)
    ours.load_state_dict(arrays_of(theirs.state_dict()))
    return ours, theirs


def _states(name: str, to: Callable[[Any], Any]) -> Any:
    if name != "LSTM":
        return to(STATE)
    return to(STATE), to(np.concatenate([STATE, STATE[:, :, :1]], 2))


def _packed(library: Any, module: Any, name: str, to: Any, lengths: list[int], sort: bool) -> Any:
    rnn = library.nn.utils.rnn
    x = to(INPUT)
    x.requires_grad_()
    packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=sort)
    out, last = module(packed, _states(name, to))
    padded, sizes = rnn.pad_packed_sequence(out, padding_value=-1.0, total_length=6)
    states = last if isinstance(last, tuple) else (last,)
    loss = (padded * padded).sum() + sum((s * s).sum() for s in states)
    loss.backward()
    return [padded, sizes, *states, x.grad, *(p.grad for p in module.parameters())]


def _same(found: Any, wanted: Any) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 2e-5, 2e-6)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("lengths", [LENGTHS, SHUFFLED], ids=["sorted", "any order"])
@pytest.mark.parametrize("name", MODES)
def test_packed_sequences(name: str, lengths: list[int], backend: str) -> None:
    options = {"num_layers": 2, "bidirectional": True, **MODES[name]}
    ours, theirs = _pair(name, **options)
    sort = lengths == LENGTHS
    wanted = _packed(torch, theirs, name, to_torch, lengths, sort)

    def step() -> Any:
        return _packed(ng, ours, name, to_ng, lengths, sort)

    _same((step if backend == "eager" else ng.compile(step, backend=backend))(), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_long_sequence_is_one_loop(backend: str) -> None:
    ours, theirs = _pair("LSTM")
    x = np.random.default_rng(0).standard_normal((500, 2, 3)).astype(np.float32)

    def step(x: ng.Tensor) -> ng.Tensor:
        loss = ours(x)[0].square().mean()
        loss.backward()
        return loss

    graph = ng.trace(step, to_ng(x))
    assert len(list(graph.nodes)) < 150
    compiled = ng.compile(step, backend=backend, keep_grads=True)
    found = compiled(to_ng(x))
    wanted = theirs(to_torch(x))[0].square().mean()
    wanted.backward()
    _same(
        [found, *(p.grad for p in ours.parameters())],
        [wanted, *(p.grad for p in theirs.parameters())],
    )


def _loops(graph: Any) -> list[Scan]:
    return [node.op for node in graph.nodes if isinstance(node.op, Scan)]


def _products(loop: Scan) -> int:
    return sum(isinstance(node.op, MatMul) for node in loop.body.graph.nodes)


def test_a_step_back_has_one_product_and_the_weights_another_for_all_steps() -> None:
    ours, _ = _pair("LSTM")

    def step(x: ng.Tensor) -> Any:
        ours(x)[0].square().sum().backward()
        return [p.grad for p in ours.parameters()]

    graph = ng.trace(step, to_ng(INPUT))
    forward, back = _loops(graph)
    assert (_products(forward), _products(back)) == (1, 1)
    assert back.carries == 2  # of the states: nothing is added up step by step
    assert back.reverse and not forward.reverse


def test_what_a_loop_stacks_and_nobody_reads_goes() -> None:
    ours, _ = _pair("LSTM")
    graph = ng.trace(lambda x: ours(x)[0], to_ng(INPUT))
    (loop,) = _loops(graph)
    before = len(loop.body.graph.outputs)
    DeadCode().run(graph, Context())
    (loop,) = _loops(graph)
    assert len(loop.body.graph.outputs) == before - 2 == loop.carries + 1


def test_layers_but_the_last_are_dropped_in_training_only() -> None:
    ng.manual_seed(0)
    m = ng.nn.GRU(3, 4, 2, dropout=1.0)
    x = to_ng(INPUT)
    alone = ng.nn.GRU(4, 4)
    for name, value in alone.named_parameters():
        value.data = getattr(m, name.replace("_l0", "_l1")).data.clone()
    np.testing.assert_allclose(m(x)[0].detach(), alone(ng.zeros(5, 4, 4))[0].detach(), 1e-6)
    m.eval()
    assert (
        np.abs(m(x)[0].detach().numpy() - alone(ng.zeros(5, 4, 4))[0].detach().numpy()).max() > 0.01
    )
    assert all(p.data.isfinite().all() for p in m.parameters())


def test_a_length_beyond_the_input_is_refused() -> None:
    """PyTorch reads what lies behind it."""
    with pytest.raises(RuntimeError, match="a length is 6, but the input has 5 steps"):
        ng.nn.utils.rnn.pack_padded_sequence(to_ng(INPUT), [6, 3, 3, 1])


def test_a_dynamic_number_of_steps_is_refused() -> None:
    m = ng.nn.RNN(3, 2)
    with pytest.raises(ng.TraceError, match="a loop over time depends on the dynamic size"):
        ng.trace(lambda x: m(x)[0], ng.spec((None, 4, 3)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dynamic_batch(backend: str) -> None:
    ours, theirs = _pair("LSTM")
    step = ng.compile(lambda x: ours(x)[0], backend=backend, dynamic=True)
    for size in (3, 5, 2):
        x = np.random.default_rng(size).standard_normal((4, size, 3)).astype(np.float32)
        _same([step(to_ng(x))], [theirs(to_torch(x))[0]])


CALLS = """
    r.pad_sequence([a, b])
    r.pad_sequence([a, b], batch_first=True, padding_value=9.0)
    r.pad_sequence([a, b], padding_side="left")
    r.pad_sequence([])
    r.pad_sequence([a, b], padding_side="top")
    r.pad_sequence(3)
    r.unpad_sequence(r.pad_sequence([a, b]), m.tensor([2, 4]))
    r.unpad_sequence(r.pad_sequence([a, b], batch_first=True), m.tensor([2, 4]), True)
    r.pack_sequence([b, a])
    r.pack_sequence([a, b])
    r.pack_sequence([a, b], enforce_sorted=False)
    r.unpack_sequence(r.pack_sequence([a, b], enforce_sorted=False))
    r.pack_padded_sequence(p, [4, 2, 1], batch_first=True)
    r.pack_padded_sequence(p, m.tensor([4, 2, 1]), batch_first=True)
    r.pack_padded_sequence(p, [4, 2, 0], batch_first=True)
    r.pack_padded_sequence(p, [4, 2], batch_first=True)
    r.pack_padded_sequence(p, [1, 2, 4], batch_first=True, enforce_sorted=False)
    r.pad_packed_sequence(r.pack_padded_sequence(p, [4, 2, 1], True), True, 0.5, 6)
    r.pad_packed_sequence(r.pack_padded_sequence(p, [4, 2, 1], True), total_length=3)
    r.invert_permutation(m.tensor([2, 0, 1]))
    r.invert_permutation(None)
    r.pack_sequence([b, a]).double()
    r.PackedSequence(a, m.tensor([1, 1]))
    r.PackedSequence((a, m.tensor([1, 1])))
    r.PackedSequence(3)
""".strip().split("\n")


def _called(library: Any, to: Any, text: str) -> Any:
    rng = np.random.default_rng(1)
    arrays = {"a": (2, 3), "b": (4, 3), "p": (3, 4, 2)}
    names = {name: to(rng.standard_normal(s).astype(np.float32)) for name, s in arrays.items()}
    found = eval(text, {"r": library.nn.utils.rnn, "m": library, **names})
    parts = found if isinstance(found, list | tuple) else [found]
    return [None if part is None else part.numpy() for part in parts]


@pytest.mark.parametrize("text", [line.strip() for line in CALLS])
def test_the_tools_for_sequences(text: str) -> None:
    try:
        wanted = _called(torch, to_torch, text)
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError) as error:
        with pytest.raises(RuntimeError if isinstance(error, RuntimeError) else type(error)):
            _called(ng, to_ng, text)
        return
    found = _called(ng, to_ng, text)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)

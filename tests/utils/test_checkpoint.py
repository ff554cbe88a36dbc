"""``utils.checkpoint``: the numbers of a plain call, with less memory; in the graph, too."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.checkpoint

import nngraph as ng
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.ir.graph import Graph
from nngraph.ir.op import Op
from nngraph.ops import After, Exp
from nngraph.passes.base import Context
from nngraph.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)


class Made:
    """Tensors and functions of one of the libraries."""

    def __init__(self, f: Any) -> None:
        self.f = f
        self.call = f.utils.checkpoint.checkpoint
        self.chain = f.utils.checkpoint.checkpoint_sequential
        self.x = f.tensor(X.tolist(), requires_grad=True)
        self.w = f.tensor(W.tolist(), requires_grad=True)

    def layer(self, a: Any) -> Any:
        return (a @ self.w).tanh() * a

    def through(self, *results: Any) -> list[Any]:
        """Results, and the gradients of their sum."""
        total = sum((r**2).sum() for r in results)
        total.backward()
        return [*results, self.x.grad, self.w.grad]


def saved(m: Made, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return m.call(function, *args, use_reentrant=False, **options)


PROGRAMS: dict[str, Callable[[Made], Any]] = {
    "one": lambda m: m.through(saved(m, m.layer, m.x)),
    "two in a row": lambda m: m.through(saved(m, m.layer, saved(m, m.layer, m.x))),
    "nested": lambda m: m.through(
        saved(m, lambda a: saved(m, m.layer, saved(m, m.layer, a) * 2), m.x * 1)
    ),
    "nested thrice": lambda m: m.through(
        saved(m, lambda a: saved(m, lambda b: saved(m, m.layer, b) + 1, a) * a, m.x)
    ),
    "several results": lambda m: m.through(*saved(m, lambda a: (a.sin(), m.layer(a)), m.x)),
    "a dict": lambda m: m.through(saved(m, lambda p: {"o": m.layer(p["a"])}, {"a": m.x})["o"]),
    "by name": lambda m: m.through(saved(m, lambda a, *, k: m.layer(a) * k, m.x, k=3.0)),
    "an argument given back": lambda m: m.through(*saved(m, lambda a: (a, a.exp()), m.x * 1)),
    "of closures only": lambda m: m.through(saved(m, lambda a: a @ m.w, m.x.detach()), m.x),
    "no result": lambda m: saved(m, lambda a: None, m.x),
    "not recorded": lambda m: m.f.no_grad()(lambda: saved(m, m.layer, m.x))(),
    "no_grad inside": lambda m: m.through(
        saved(m, lambda a: m.layer(a) + m.f.no_grad()(lambda b: b.exp())(a), m.x)
    ),
    "a result unused": lambda m: m.through(saved(m, lambda a: (a.sin(), m.layer(a)), m.x)[1]),
    "used twice": lambda m: (lambda h: m.through(h, h.sin() * h))(saved(m, m.layer, m.x)),
    "views": lambda m: m.through(saved(m, lambda a: m.layer(a)[:, 1:].t(), m.x)),
    "in place": lambda m: m.through(saved(m, lambda a: m.layer(a).mul_(2).add_(a), m.x)),
    "a gradient": lambda m: m.f.autograd.grad(saved(m, m.layer, m.x).sum(), [m.x, m.w]),
    "of one only": lambda m: m.f.autograd.grad(saved(m, m.layer, m.x).sum(), m.w),
    "kept": lambda m: (lambda y: [y.backward(retain_graph=True), y.backward(), m.x.grad, m.w.grad])(
        saved(m, m.layer, m.x).sum()
    ),
    "reentrant": lambda m: m.through(m.call(m.layer, m.x, use_reentrant=True)),
    "reentrant, no gradient": lambda m: (
        m.call(m.layer, m.x.detach(), use_reentrant=True).requires_grad
    ),
    "sequential": lambda m: m.through(
        m.chain([m.layer, m.f.sin, m.layer, m.f.exp, m.f.tanh], 2, m.x, use_reentrant=False)
    ),
    "sequential modules": lambda m: m.through(
        m.chain(m.f.nn.Sequential(m.f.nn.Tanh(), m.f.nn.ReLU()), 2, m.x, use_reentrant=False),
        m.layer(m.x),
    ),
}


def numbers(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach().numpy(), value.requires_grad
    if isinstance(value, list | tuple):
        return [numbers(v) for v in value]
    return value


def same(got: Any, wanted: Any, note: str) -> None:
    if isinstance(wanted, list):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            same(a, b, note)
    elif isinstance(wanted, tuple):
        assert_close(got[0], wanted[0], note, scale=10)
        assert got[1] is wanted[1], note
    else:
        assert got == wanted, note


@pytest.mark.filterwarnings("ignore:None of the inputs")
@pytest.mark.parametrize("title", PROGRAMS)
def test_numbers_are_pytorchs(title: str) -> None:
    same(numbers(PROGRAMS[title](Made(ng))), numbers(PROGRAMS[title](Made(torch))), title)


COMPILED = ["one", "nested", "several results", "used twice", "in place", "a gradient", "views"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("title", COMPILED)
def test_compiled(title: str, backend: str) -> None:
    m = Made(ng)

    @ng.compile(backend=backend)
    def step() -> Any:
        return [v.detach() for v in PROGRAMS[title](m)]

    wanted = [v.detach().numpy() for v in PROGRAMS[title](Made(torch))]
    for got, want in zip(step(), wanted, strict=True):
        assert_close(got.numpy(), want, f"{title} on {backend}", scale=10)


def refused(m: Made, function: Callable[[Any], Any], **options: Any) -> Any:
    return saved(m, function, m.x, **options).sum().backward()


class Changing:
    """A function that does something else when it is called again."""

    def __init__(self, *bodies: Callable[[Any], Any]) -> None:
        self.bodies = list(bodies)

    def __call__(self, a: Any) -> Any:
        return self.bodies.pop(0)(a)


REFUSED: dict[str, Callable[[Made], Any]] = {
    "by name, reentrant": lambda m: m.call(m.layer, m.x, use_reentrant=True, k=1),
    "debug, reentrant": lambda m: m.call(m.layer, m.x, use_reentrant=True, debug=True),
    "another check": lambda m: refused(m, m.layer, determinism_check="some"),
    "other types": lambda m: refused(m, Changing(lambda a: a.exp(), lambda a: a.double().exp())),
    "fewer": lambda m: refused(m, Changing(lambda a: a.exp().exp(), lambda a: a.exp())),
    "sequential, by name": lambda m: m.chain([m.layer], 1, m.x, use_reentrant=False, k=1),
    "freed": lambda m: (lambda y: [y.backward(), y.backward()])(saved(m, m.layer, m.x).sum()),
}


@pytest.mark.parametrize("title", REFUSED)
def test_refusals_are_pytorchs(title: str) -> None:
    found = []
    for f in (torch, ng):
        with pytest.raises(Exception) as caught:
            REFUSED[title](Made(f))
        found.append(caught.type.__name__)
    assert found[0] == found[1]


def test_what_changed_meanwhile_is_refused() -> None:
    m = Made(ng)
    a = m.x * 1
    y = saved(m, m.layer, a).sum()
    a.detach().add_(1)
    with pytest.raises(RuntimeError, match="an argument of a checkpoint"):
        y.backward()
    y = saved(m, m.layer, m.x).sum()
    with ng.no_grad():
        m.w.add_(1)
    with pytest.raises(RuntimeError, match=r"a value of .* in a checkpoint"):
        y.backward()
    with pytest.raises(RuntimeError, match="an argument of a checkpoint"):
        saved(m, lambda a: a.mul_(2) * m.x, ng.ones(3, 4)).sum().backward()
    assert issubclass(CheckpointError, RuntimeError)


def test_it_says_that_use_reentrant_is_missing() -> None:
    m = Made(ng)
    with pytest.warns(UserWarning, match="checkpoint: the use_reentrant parameter should be"):
        checkpoint(m.layer, m.x)
    with pytest.warns(UserWarning, match="checkpoint_sequential: the use_reentrant parameter"):
        checkpoint_sequential([m.layer], 1, m.x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(m.layer, m.x.detach(), use_reentrant=True)


def dropped(m: Made, keeps: bool) -> tuple[Any, Any]:
    """The mask of the result, and that of its gradient."""

    def body(a: Any) -> Any:
        return ng.nn.functional.dropout(ng.nn.functional.dropout(a * a, 0.3), 0.5)

    y = saved(m, body, m.x, preserve_rng_state=keeps)
    y.sum().backward()
    return y.detach() != 0, m.x.grad != 0


def test_random_numbers_are_the_same_again() -> None:
    ng.manual_seed(1)
    forward, backward = dropped(Made(ng), True)
    after = ng.rand(3)
    assert (forward == backward).all() and not forward.all()
    ng.manual_seed(1)
    plain = ng.nn.functional.dropout(ng.nn.functional.dropout(ng.ones(3, 4), 0.3), 0.5)
    assert ((plain != 0) == forward).all()
    assert (ng.rand(3) == after).all()  # the second run left the sequence where it was
    outcomes = [bool((a == b).all()) for a, b in (dropped(Made(ng), False) for _ in range(5))]
    assert not all(outcomes)


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_numbers_are_the_same_again_compiled(backend: str) -> None:
    m = Made(ng)
    step = ng.compile(lambda: dropped(m, True), backend=backend)
    ng.manual_seed(4)
    for _ in range(2):
        m.x.grad = None
        forward, backward = step()
        assert (forward == backward).all() and not forward.all()


def test_contexts_and_modes_are_those_of_the_first_run() -> None:
    m, seen = Made(ng), list[str]()

    @contextmanager
    def noted(name: str) -> Any:
        seen.append(name)
        yield

    y = saved(m, m.layer, m.x, context_fn=lambda: (noted("first"), noted("second")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.sum().backward()
    assert seen == ["first", "second"]
    kinds: list[Any] = []

    def product(a: Any) -> Any:
        kinds.append((a @ a.t()).dtype)
        return a @ a.t()

    with ng.autocast("cpu", dtype=ng.bfloat16):
        z = saved(m, product, m.x)
    z.float().sum().backward()
    assert kinds == [ng.bfloat16, ng.bfloat16]


def deep(a: Any) -> Any:
    for _ in range(10):
        a = (a * 1.01).tanh()
    return a


def peak(run: Callable[[Any], Any], x: Any) -> float:
    """How many arrays of the size of ``x`` were there at once."""
    tracemalloc.start()
    for _ in range(8):
        x = run(x)
    x.sum().backward()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(most) / 4 / x.numel()


def test_memory_is_that_of_a_segment() -> None:
    x = ng.rand(200, 200, requires_grad=True)
    plain, less = peak(deep, x), peak(lambda a: checkpoint(deep, a, use_reentrant=False), x)
    assert plain > 150
    assert less < 8 + 30


def counted(graph: Graph, kind: type[Op]) -> int:
    total = 0
    for node in graph.nodes:
        total += isinstance(node.op, kind)
        body = getattr(node.op, "body", None)
        total += 0 if body is None else counted(body.graph, kind)
    return total


def lowered(backend: str, is_saved: bool) -> tuple[Graph, Any]:
    """The graph of a step when all passes are over, and what is emitted for it."""
    x, w = (ng.rand(16, 16, requires_grad=True) for _ in range(2))

    def segment(a: Any, w: Any) -> Any:
        for _ in range(3):
            a = (a @ w).exp()
        return a

    def step(x: Any, w: Any) -> Any:
        for _ in range(4):
            x = checkpoint(segment, x, w, use_reentrant=False) if is_saved else segment(x, w)
        return ng.autograd.grad(x.sum(), w)

    graph, target = ng.trace(step, x, w), Target(backend)
    found = get_backend(backend)
    found.pipeline(target).run(graph, Context())
    return graph, found.emit(graph, target)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_graph_computes_again(backend: str) -> None:
    plain, again = (lowered(backend, is_saved)[0] for is_saved in (False, True))
    assert (counted(plain, After), counted(again, After)) == (0, 8)
    assert counted(plain, Exp) == 12
    assert counted(again, Exp) >= 12 + 4 * 2  # the last one of a segment may be read as its result


def test_compiled_memory_is_less() -> None:
    plain, again = (lowered("tvm", is_saved)[1].program.arena for is_saved in (False, True))
    assert again < 0.75 * plain


def test_onnx_runtime_merges_nothing(tmp_path: Any) -> None:
    runtime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    for is_saved in (False, True):
        graph, artifact = lowered("onnx", is_saved)
        options, kept = runtime.SessionOptions(), tmp_path / f"{is_saved}.onnx"
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(kept)
        runtime.InferenceSession(artifact.model, options, providers=["CPUExecutionProvider"])
        found = sum(n.op_type == "Exp" for n in onnx.load(str(kept)).graph.node)
        assert found == counted(graph, Exp)

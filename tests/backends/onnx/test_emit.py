from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from nngraph import ops
from nngraph.backends import get_backend
from nngraph.backends.base import BackendError, Target, emit, lower
from nngraph.backends.build import build
from nngraph.backends.onnx import nodes
from nngraph.ir.builder import Builder
from nngraph.ir.dims import sym
from nngraph.ir.dtypes import float32
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Array, apply
from nngraph.ir.signature import signature_of
from nngraph.ir.types import tensor_type
from tests.backends.onnx.graphs import built, kinds, model_of, reference, regression
from tests.support.counting import calls
from tests.support.gradients import gradients
from tests.support.tolerances import assert_close

RNG = np.random.default_rng(3)
F32 = np.float32


def graph_of(build: Callable[..., Any], *types: tuple[str, tuple[int | str, ...]]) -> Graph:
    graph = Graph()
    inputs = [graph.add_input(tensor_type(*t), f"x{i}") for i, t in enumerate(types)]
    with Builder(graph):
        made = build(*inputs)
        for value in made if isinstance(made, list | tuple) else [made]:
            graph.add_output(value)
    return graph


def compare(graph: Graph, *inputs: Array, scale: float = 1.0) -> list[Array]:
    """Runs on both backends; the ONNX results."""
    got, _ = built(graph).executable.run(inputs, [], [])
    wanted, _ = reference(graph).executable.run(inputs, [], [])
    for g, w in zip(got, wanted, strict=True):
        assert_close(g, w, scale=scale)
    return got


# -- the model -----------------------------------------------------------------------------
def test_emission_is_deterministic_and_needs_no_runtime() -> None:
    backend, target = get_backend("onnx"), Target("onnx", threads=1)
    first, second = (backend.emit(regression(), target) for _ in range(2))
    assert first == second and first.signature == signature_of(regression())


def layers(count: int) -> Graph:
    """A training step of ``count`` layers, each with a weight that changes."""
    graph = Graph("layers")
    value = graph.add_input(tensor_type("f32", (4, 4)), "x")
    weights = [graph.add_state(f"w{i}", value.type) for i in range(count)]
    with Builder(graph):
        for weight in weights:
            value = ops.where(ops.le(h := ops.matmul(value, weight), 0.0), ops.exp(h), h)
        loss = ops.mean(value)
        for weight, gradient in zip(weights, gradients(graph, [loss], weights), strict=True):
            assert gradient is not None
            graph.set_state(graph.states[weight.index].name, ops.sub(weight, gradient))
    graph.add_output(loss, "loss")
    return graph


def test_every_node_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Node] = []
    write = nodes._write_node

    def note(node: Node, *rest: Any) -> Any:
        written.append(node)
        return write(node, *rest)

    monkeypatch.setattr(nodes, "_write_node", note)
    made = emit(get_backend("onnx"), layers(3), Target("onnx", threads=1))
    assert written == list(made.graph.nodes)


def test_emission_takes_linear_time() -> None:
    backend, target = get_backend("onnx"), Target("onnx", threads=1)

    def work(count: int) -> int:
        lowered, _ = lower(backend, layers(count), target)
        return calls(lambda: backend.emit(lowered, target))

    assert work(160) < 1.1 * 8 * work(20)


def test_names_are_unique_and_readable() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (2,)), "x")
    graph.add_state("x", x.type)
    graph.add_scalar("lr", tensor_type("f32"))
    with Builder(graph):
        y = ops.exp(x)
    graph.set_state("x", y)
    graph.add_output(y, "lr")
    model = model_of(built(graph)).graph
    assert [i.name for i in model.input] == ["x", "lr", "x_1"]
    assert [o.name for o in model.output] == ["lr_1", "x.next"]
    (out,), (state,) = built(graph).executable.run([np.zeros(2, F32)], [1], [np.ones(2, F32)])
    assert (out == 1).all() and (state == 1).all()


def test_only_used_constants_are_kept_and_equal_ones_are_one() -> None:
    graph = graph_of(
        lambda x: [ops.reshape(x, (3, 2)), ops.reshape(ops.exp(x), (3, 2))], ("f32", (2, 3))
    )
    assert len(model_of(built(graph)).graph.initializer) == 1


def test_all_gaps_are_named_at_once() -> None:
    def build(x: Value) -> list[Value]:
        return [ops.full(1, float32, (sym(n),), x) for n in ("n", "m")]

    graph = graph_of(build, ("f32", ("2*n", "m+1")))
    gaps = get_backend("onnx").emit(graph, Target("onnx"))
    assert [g.what for g in gaps] == [
        f"full: the size {n!r} is not the size of an axis of an input" for n in ("n", "m")
    ]


@pytest.mark.parametrize("name", ["reference", "onnx"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BackendError, match=f"the {name} backend .* 'cuda'; use 'cpu'"):
        build(get_backend(name), regression(), Target(name, device="cuda"))


# -- golden forms --------------------------------------------------------------------------
CASES: list[tuple[str, Callable[..., Any], list[Any], list[str]]] = [
    (
        "a linear layer is one Gemm",
        lambda x, w, b: ops.relu(ops.add(ops.matmul(x, w, False, True), b)),
        [("f32", (4, 3)), ("f32", (5, 3)), ("f32", (5,))],
        ["Gemm", "Relu"],
    ),
    (
        "a linear layer on rank 3 is one Gemm between reshapes",
        lambda x, w, b: ops.add(ops.matmul(x, w), b),
        [("f32", (2, 4, 3)), ("f32", (3, 5)), ("f32", (5,))],
        ["Reshape", "Gemm", "Reshape"],
    ),
    (
        "a batched product keeps its transpose beside it",
        lambda a, b: ops.matmul(a, b, False, True),
        [("f32", (2, 4, 3)), ("f32", (2, 5, 3))],
        ["Transpose", "MatMul"],
    ),
    (
        "a convolution takes its bias",
        lambda x, w, b: ops.add(
            ops.conv(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1), ops.reshape(b, (1, 4, 1, 1))
        ),
        [("f32", (2, 3, 5, 5)), ("f32", (4, 3, 3, 3)), ("f32", (4,))],
        ["Reshape", "Reshape", "Conv"],
    ),
    (
        "a row gather reads, a scatter of elements adds",
        lambda x, i, u: ops.scatter_slices(x, i, u, 0, "add"),
        [("f32", (5, 3)), ("i64", (4,)), ("f32", (4, 3))],
        ["Reshape", "Expand", "Reshape", "ScatterElements"],
    ),
    (
        "layer normalization is one operator",
        lambda x, w, b: apply(ops.LayerNorm(1, 1e-5), x, w, b),
        [("f32", (4, 8)), ("f32", (8,)), ("f32", (8,))],
        ["LayerNormalization"],
    ),
    (
        "a short sum over images and positions is one node",
        lambda x: ops.sum(x, (0, 2, 3)),
        [("f32", (2, 3, 4, 5))],
        ["ReduceSum"],
    ),
    (
        "a long sum over images and positions goes in two steps, what is left of it in float64",
        lambda x: ops.sum(x, (0, 2, 3)),
        [("f32", (64, 3, 16, 16))],
        ["ReduceSum", "Cast", "ReduceSum", "Cast"],
    ),
    (
        "a long sum goes in blocks, which a reshape makes",
        lambda x: ops.mean(x, (1,)),
        [("f32", ("n", 5000))],
        ["Reshape", "ReduceMean", "Cast", "ReduceMean", "Cast"],
    ),
    (
        "a sum of unknown length goes in float64",
        lambda x: ops.sum(x, (0,)),
        [("f32", ("n", 3))],
        ["Cast", "ReduceSum", "Cast"],
    ),
    (
        "integers add up by a product with ones",
        lambda x: ops.sum(x, (0,)),
        [("i64", (5, 3))],
        ["Reshape", "MatMul", "Reshape"],
    ),
    (
        "a symbolic flatten needs no arithmetic",
        lambda x: ops.reshape(x, (x.type.shape[0], 12)),
        [("f32", ("n", 3, 4))],
        ["Reshape"],
    ),
]


@pytest.mark.parametrize(
    ("build", "types", "wanted"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_form(build: Callable[..., Any], types: list[Any], wanted: list[str]) -> None:
    found = kinds(built(graph_of(build, *types)))
    assert [k for k in found if k != "Reshape"] == [k for k in wanted if k != "Reshape"]
    assert found.count("Reshape") <= wanted.count("Reshape")


def test_scatternd_whose_sums_race_is_never_written() -> None:
    for form in (ops.take, lambda x, i: ops.scatter_slices(x, i, ops.take(x, i, 0), 0, "add")):
        graph = graph_of(lambda x, i, f=form: f(x, i), ("f32", (5, 3)), ("i64", (4,)))
        assert "ScatterND" not in kinds(built(graph))


def test_biases_stay_outside_where_they_do_not_fit() -> None:
    def column(x: Value, w: Value, b: Value) -> Value:
        return ops.add(ops.matmul(x, w), b)

    shared = graph_of(
        lambda x, w, b: [p := ops.matmul(x, w), ops.add(p, b)],
        ("f32", (4, 3)),
        ("f32", (3, 5)),
        ("f32", (5,)),
    )
    tall = graph_of(column, ("f32", (4, 3)), ("f32", (3, 5)), ("f32", (4, 1)))
    half = graph_of(column, ("f16", (4, 3)), ("f16", (3, 5)), ("f16", (5,)))
    wide = graph_of(column, ("f32", (1, 3)), ("f32", (3, 5)), ("f32", (4, 5)))
    for graph in (shared, tall, half, wide):
        assert "Add" in kinds(built(graph))
    compare(tall, *(RNG.standard_normal(s).astype(F32) for s in ((4, 3), (3, 5), (4, 1))))


# -- numbers that need care ----------------------------------------------------------------
def test_masked_gradients_keep_zero_where_a_gradient_is_not_finite() -> None:
    graph = graph_of(
        lambda y, g: ops.where(ops.le(y, 0.0), 0.0, g), ("f32", (300, 200)), ("f32", (300, 200))
    )
    assert "If" in kinds(built(graph))
    y, g = (RNG.standard_normal((300, 200)).astype(F32) for _ in range(2))
    compare(graph, y, g)
    g[y <= 0] = np.inf
    (out,) = compare(graph, y, g)
    assert (out[y <= 0] == 0).all()
    g[0, 0] = np.nan
    compare(graph, y, g)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2)])
def test_the_first_of_tied_maxima_gets_the_gradient(kernel: tuple[int, int]) -> None:
    plain = (kernel, kernel, ((0, 0), (0, 0)), (1, 1))
    shape, small = (2, 3, 12, 9), (2, 3, 12 // kernel[0], 9 // kernel[1])
    graph = graph_of(lambda x, g: ops.max_pool_grad(x, g, *plain), ("f32", shape), ("f32", small))
    x = RNG.integers(0, 3, shape).astype(F32)
    dy = RNG.standard_normal(small).astype(F32)
    compare(graph, x, dy)  # ties
    compare(graph, np.maximum(x - 1, 0), np.where(dy > 0, dy, 0).astype(F32))
    compare(graph, RNG.standard_normal(x.shape).astype(F32), dy)  # none
    dy[0, 0, 0, 0] = np.inf
    compare(graph, x, dy)
    x[0, 1, 2, 3] = np.nan
    compare(graph, x, dy)
    x[1] = -np.inf
    compare(graph, x, dy)


def test_a_relu_below_a_pool_is_masked_on_the_small_side() -> None:
    def step(z: Value, g: Value) -> Value:
        x = ops.relu(z)
        dx = ops.max_pool_grad(x, g, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
        return ops.where(ops.le(x, 0.0), 0.0, dx)

    graph = graph_of(step, ("f32", (2, 3, 8, 8)), ("f32", (2, 3, 4, 4)))
    lowered, _ = lower(get_backend("onnx"), graph, Target("onnx"))
    (mask,) = (n for n in lowered.nodes if isinstance(n.op, ops.Where))
    assert mask.output.type.shape == (2, 3, 4, 4)
    compare(graph, *(RNG.standard_normal(s).astype(F32) for s in ((2, 3, 8, 8), (2, 3, 4, 4))))


def test_statistics_of_a_batch_with_nan_do_not_stay() -> None:
    graph = Graph()
    x = graph.add_input(tensor_type("f32", (4, 2, 3)), "x")
    with Builder(graph):
        ones, zeros = (ops.full(v, x.type.dtype, (2,), x) for v in (1.0, 0.0))
        for value in apply(ops.BatchNormTraining(1e-5), x, ones, zeros):
            graph.add_output(value)
    run = built(graph).executable
    good = RNG.standard_normal((4, 2, 3)).astype(F32)
    first, _ = run.run([good], [], [])
    run.run([np.full_like(good, np.nan)], [], [])
    again, _ = run.run([good], [], [])
    assert all(
        np.array_equal(a, b) and np.isfinite(a).all() for a, b in zip(first, again, strict=True)
    )


def test_random_bits_are_philox() -> None:
    graph = graph_of(lambda s: [ops.random_bits(s, (3, 7)), ops.normal(s, (5000,))], ("u32", (3,)))
    compare(graph, np.array([1, 2, 3], np.uint32), scale=4)


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_every_width(kind: str) -> None:
    def build(x: Value, y: Value) -> list[Value]:
        made = [f(x, y) for f in (ops.add, ops.sub, ops.mul, ops.maximum, ops.minimum)]
        made += [f(x, y) for f in (ops.floor_divide, ops.remainder, ops.fmod, ops.lt, ops.eq)]
        made += [f(x, y) for f in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor)]
        made += [f(x) for f in (ops.neg, ops.abs, ops.sign, ops.bitwise_not, ops.relu)]
        made += [f(x, (1,)) for f in (ops.max, ops.min, ops.prod)]
        made += [ops.sum(x if x.type.dtype.bits < 64 else y, (1,))]
        made += [ops.argmax(x, 1), ops.argmin(x, 1), ops.cumsum(x, 1), *ops.sort(x, 1)]
        made += [ops.where(ops.lt(x, y), x, y), ops.clip(x, 3, 90), ops.matmul(x, y, False, True)]
        three = ops.full(3, x.type.dtype, (), x)
        return [*made, ops.shift_left(x, three), ops.shift_right(x, three)]

    info = np.iinfo(kind)
    x = RNG.integers(info.min, info.max, (4, 5), kind, endpoint=True)
    y = RNG.integers(1, 100, (4, 5)).astype(kind)
    compare(graph_of(build, (kind, (4, 5)), (kind, (4, 5))), x, y)


def test_division_of_integers_by_zero_is_an_error() -> None:
    graph = graph_of(ops.floor_divide, ("i32", (2,)), ("i32", (2,)))
    with pytest.raises(ZeroDivisionError):
        built(graph).executable.run([np.ones(2, np.int32), np.zeros(2, np.int32)], [], [])


def test_targets_out_of_range_are_an_index_error() -> None:
    graph = graph_of(ops.cross_entropy, ("f32", (2, 3)), ("i64", (2,)))
    with pytest.raises(IndexError, match="out of range"):
        built(graph).executable.run([np.ones((2, 3), F32), np.array([0, 7])], [], [])


# -- forms of convolutions -----------------------------------------------------------------
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("channels", "filters", "size", "kernel", "stride", "pad", "groups"),
    [
        (3, 8, 9, 3, 1, 1, 1),
        (32, 16, 12, 3, 1, 1, 1),
        (64, 8, 7, 3, 1, 1, 1),
        (32, 16, 9, 3, 2, 1, 1),
        (20, 24, 10, 1, 1, 0, 1),
        (20, 24, 9, 1, 2, 0, 1),
        (16, 16, 9, 3, 1, 1, 16),
        (32, 32, 9, 3, 2, 1, 4),
        (24, 32, 8, 2, 1, 0, 2),
    ],
)
def test_every_form_of_a_convolution(
    channels: int,
    filters: int,
    size: int,
    kernel: int,
    stride: int,
    pad: int,
    groups: int,
    threads: int,
) -> None:
    attributes = ((stride,) * 2, ((pad, pad),) * 2, (1, 1), groups)

    def build(x: Value, w: Value, dy: Value) -> list[Value]:
        return [
            ops.conv_input_grad(dy, w, (size, size), *attributes),
            ops.conv_weight_grad(x, dy, (kernel, kernel), *attributes),
        ]

    out = (size + 2 * pad - kernel) // stride + 1
    shapes = [
        (2, channels, size, size),
        (filters, channels // groups, kernel, kernel),
        (2, filters, out, out),
    ]
    graph = graph_of(build, *(("f32", s) for s in shapes))
    inputs = [RNG.standard_normal(s).astype(F32) for s in shapes]
    backend, target = get_backend("onnx"), Target("onnx", threads=threads)
    executable = backend.load(backend.emit(graph, target), target)
    got, _ = executable.run(inputs, [], [])
    wanted, _ = reference(graph).executable.run(inputs, [], [])
    for g, w in zip(got, wanted, strict=True):
        assert_close(g, w, scale=8)


# -- symbolic sizes ------------------------------------------------------------------------
def test_a_network_with_any_batch() -> None:
    def build(x: Value, w: Value, v: Value, y: Value) -> list[Value]:
        h = ops.relu(ops.conv(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1))
        h = ops.max_pool(h, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
        logits = ops.matmul(ops.reshape(h, (x.type.shape[0], -1)), v)
        loss = ops.cross_entropy(logits, y)
        found = gradients(loss.graph, [loss], [w, v, x])
        return [loss, ops.mean(logits, (0,)), *(g for g in found if g is not None)]

    graph = graph_of(
        build, ("f32", ("n", 3, 6, 6)), ("f32", (4, 3, 3, 3)), ("f32", (36, 5)), ("i64", ("n",))
    )
    onnx.checker.check_model(model_of(built(graph)), full_check=True)
    w, v = (RNG.standard_normal(s).astype(F32) for s in ((4, 3, 3, 3), (36, 5)))
    for n in (1, 5, 2):
        x, y = RNG.standard_normal((n, 3, 6, 6)).astype(F32), RNG.integers(0, 5, n)
        compare(graph, x, w, v, y, scale=4)


def test_arithmetic_on_sizes() -> None:
    def build(x: Value) -> list[Value]:
        n, m = x.type.shape
        flat = ops.reshape(x, (n * m,))
        half = (n * m - 3) // 2 + 1
        parts = [ops.slice(flat, (1,), (half,)), ops.iota(flat.type.dtype, (n, half), 1, x)]
        return [
            *parts,
            ops.broadcast_to(ops.sum(x, (0,)), (3, n, m)),
            ops.concat([x, ops.full(2.0, x.type.dtype, (1, m), x)], 0),
        ]

    graph = graph_of(build, ("f32", ("n", "m")))
    for n, m in ((2, 3), (5, 4), (1, 7)):
        x = RNG.standard_normal((n, m)).astype(F32)
        got, _ = built(graph).executable.run([x], [], [])
        flat, half = x.reshape(-1), (n * m - 3) // 2 + 1
        wanted = [
            flat[1 : 1 + half],
            np.tile(np.arange(half, dtype=F32), (n, 1)),
            np.broadcast_to(x.sum(0), (3, n, m)),
            np.vstack([x, np.full((1, m), 2, F32)]),
        ]
        for g, w in zip(got, wanted, strict=True):
            np.testing.assert_allclose(g, w, 1e-6)

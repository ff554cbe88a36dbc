"""Bad input gets an error that a newcomer understands, and the state is intact after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from nngraph.backends.base import BackendError
from nngraph.frontend.errors import TraceError
from nngraph.ir.op import Array
from tests.support.training import BACKENDS, count_traces, snapshot

X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])


class Net(nn.Module):
    """Running statistics, dropout, and lines of its own for errors to name."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
        self.tail = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.tail(self.head(x))


class Setup:
    """A compiled training step that has run once."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        ng.manual_seed(0)
        self.net = Net()
        self.optimizer = optim.AdamW(self.net.parameters(), lr=1e-2)
        self.loss_fn = nn.CrossEntropyLoss()
        self.run = ng.compile(self.step, backend=backend, threads=1)
        self.run(X, Y)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss_fn(self.net(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[Array]:
        return [*snapshot(self.net, self.optimizer), np.array(ng.get_rng_state())]

    def refuses(self, kind: type[BaseException], *wanted: str, call: Any = None) -> str:
        """Calls what must raise; checks the text, and that state and later calls are sound."""
        before = self.state()
        with pytest.raises(kind) as caught:
            call()
        text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        for part in wanted:
            assert part in text, text
        for old, new in zip(before, self.state(), strict=True):
            np.testing.assert_array_equal(old, new)
        assert np.isfinite(float(self.run(X, Y)))
        return text


@pytest.fixture(scope="module", params=BACKENDS)
def setup(request: pytest.FixtureRequest) -> Setup:
    return Setup(str(request.param))


# -- arguments that do not fit ---------------------------------------------------------------
FIRST, LOSS = "self.tail(self.head(x))", "self.loss_fn(self.net(x), y)"
MISFITS = {
    "features": (X[:, :3], Y, RuntimeError, ("f32[6,3]", "in_features = 4", "head.0", FIRST)),
    "no axis": (np.float32(3), Y, RuntimeError, ("f32[]", "head.0", FIRST)),
    "integers": (X.astype(np.int32), Y, RuntimeError, ("int32", "float32", "head.0", FIRST)),
    "doubles": (X.astype(np.float64), Y, RuntimeError, ("float64", "float32", "head.0")),
    "targets": (X, Y[:3], ValueError, ("batch_size (6)", "batch_size (3)", LOSS)),
    "float targets": (X, Y.astype(np.float32), RuntimeError, ("f32[6]", "f32[6,3]", LOSS)),
    "complex": (X.astype(np.complex64), Y, TypeError, ("complex64", "float32")),
    "text": (np.array(["a"]), Y, TypeError, ("<U1", "float32")),
    "objects": (np.array([None]), Y, TypeError, ("dtype('O')", "float32")),
    "an object": (object(), Y, TypeError, ("tensors, NumPy arrays", "got object")),
    "class 3 of 3": (X, Y + 1, IndexError, ("target 3", "[0, 2]", "step", "test_bad_input.py")),
    "class -1": (X, Y - 1, IndexError, ("target -1", "[0, 2]", "test_bad_input.py")),
}


@pytest.mark.parametrize("case", MISFITS)
def test_arguments_that_do_not_fit(setup: Setup, case: str) -> None:
    x, y, kind, wanted = MISFITS[case]
    wanted = tuple(w for w in wanted if w != "step")
    setup.refuses(kind, *wanted, call=lambda: setup.run(x, y))


def test_a_wrong_number_of_arguments_is_the_functions_own_error(setup: Setup) -> None:
    setup.refuses(TypeError, "missing 1 required", "'y'", call=lambda: setup.run(X))
    setup.refuses(TypeError, "takes", "were given", call=lambda: setup.run(X, Y, Y))
    setup.refuses(TypeError, "unexpected keyword", "'z'", call=lambda: setup.run(X, z=Y))


def test_images_of_a_wrong_shape_name_the_convolution(setup: Setup) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    run = ng.compile(net, backend=setup.backend, threads=1)
    for shape, part in (((2, 3, 4, 4), "1 channels"), ((2, 1, 2, 2), "the kernel spans 3")):
        call = lambda shape=shape: run(np.zeros(shape, np.float32))  # noqa: E731
        text = setup.refuses(RuntimeError, part, "test_bad_input.py", call=call)
        assert "in module '0' (Conv2d)" in text or "in 0\n" in text


def test_ids_out_of_range_name_the_embedding(setup: Setup) -> None:
    table = nn.Sequential(nn.Embedding(5, 3))
    run = ng.compile(table, backend=setup.backend, threads=1)
    np.testing.assert_array_equal(run(np.array([1, 4])).detach(), table(ng.tensor([1, 4])).detach())
    for bad in (5, -1, 2**40):
        call = lambda bad=bad: run(np.array([1, bad]))  # noqa: E731
        setup.refuses(IndexError, f"id {bad}", "[0, 4]", "embedding at 0 @ test_bad", call=call)


# -- functions that fail ---------------------------------------------------------------------
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt])
def test_an_exception_inside_leaves_the_state(setup: Setup, kind: type[BaseException]) -> None:
    def step(x: Any, y: Any) -> Any:
        setup.step(x, y)
        raise kind("stop")

    fresh = ng.compile(step, backend=setup.backend, threads=1)
    setup.refuses(kind, "stop", call=lambda: fresh(X, Y))


def test_an_interrupt_while_the_graph_runs_leaves_the_state(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    specialization = setup.run._specialization()

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(specialization.step.built.executable, "run", interrupted)
        before = setup.state()
        with pytest.raises(KeyboardInterrupt):
            setup.run(X, Y)
    for old, new in zip(before, setup.state(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.isfinite(float(setup.run(X, Y)))


def test_results_that_no_graph_computes(setup: Setup) -> None:
    odd = ng.compile(lambda x: {1}, backend=setup.backend)
    setup.refuses(TraceError, "returned set", "tensors", call=lambda: odd(X))


def test_writing_to_a_read_only_argument_is_refused_before_the_state_changes(setup: Setup) -> None:
    def step(x: Any) -> None:
        with ng.no_grad():
            setup.net.tail.bias.add_(1)
        x.mul_(2)

    locked = X.copy()
    locked.flags.writeable = False
    write = ng.compile(step, backend=setup.backend, threads=1)
    setup.refuses(ValueError, "'x'", "read-only", "copy", call=lambda: write(locked))


def test_a_changed_state_is_not_taken_as_an_argument_too(setup: Setup) -> None:
    def step(w: Any) -> Any:
        with ng.no_grad():
            setup.net.tail.bias.add_(1)
        return w + setup.net.tail.bias

    run = ng.compile(step, backend=setup.backend, threads=1)
    bias = setup.net.tail.bias
    setup.refuses(RuntimeError, "'w'", "clone()", call=lambda: run(bias.detach()))


# -- devices and backends --------------------------------------------------------------------
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "tpu"])
def test_a_device_that_is_not_there_is_refused_at_once(setup: Setup, device: str) -> None:
    with pytest.raises(BackendError, match=rf"{setup.backend}.*{device!r}.*'cpu'"):
        ng.compile(setup.step, backend=setup.backend, device=device)


def test_an_unknown_backend_is_refused_at_once() -> None:
    with pytest.raises(BackendError, match=r"no backend 'torch'.*'reference', 'onnx', 'tvm'"):
        ng.compile(lambda x: x, backend="torch")


# -- arguments that are unusual and right ----------------------------------------------------
def layouts() -> dict[str, Array]:
    """The same numbers in arrays that no kernel takes as they are."""
    locked = X.copy()
    locked.flags.writeable = False
    raw = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:]
    return {
        "read-only": locked,
        "Fortran": np.asfortranarray(X),
        "strided": np.repeat(X, 2, 1)[:, ::2],
        "reversed": X[:, ::-1].copy()[:, ::-1],
        "misaligned": raw.view(np.float32).reshape(X.shape),
        "big-endian": X.astype(">f4"),
    }


def test_arrays_of_every_layout_give_the_same_numbers(setup: Setup) -> None:
    net = nn.Linear(4, 3)
    run = ng.compile(net, backend=setup.backend, threads=1)
    wanted = run(X).detach().numpy()
    for name, array in layouts().items():
        np.testing.assert_array_equal(run(array).detach().numpy(), wanted, err_msg=name)
    assert count_traces(run) == 1


def test_an_empty_batch_gives_an_empty_result(setup: Setup) -> None:
    run = ng.compile(nn.Linear(4, 3), backend=setup.backend, threads=1)
    assert run(X[:0]).shape == (0, 3)


def test_an_argument_made_by_operators_passes_its_gradient_on(setup: Setup) -> None:
    net, leaf = nn.Linear(4, 3), ng.tensor(X, requires_grad=True)

    def step(x: Any) -> None:
        (net(x) ** 2).sum().backward()

    step(leaf * 2)
    wanted = np.array(leaf.grad)
    leaf.grad = None
    made = leaf * 2
    ng.compile(step, backend=setup.backend, threads=1)(made)
    assert made.grad is None
    np.testing.assert_allclose(leaf.grad, wanted, rtol=1e-5)


def test_a_compiled_function_inside_another_is_a_part_of_it(setup: Setup) -> None:
    net = nn.Linear(4, 3)
    inner = ng.compile(net, backend=setup.backend, threads=1)
    outer = ng.compile(lambda x: inner(x) * 2, backend=setup.backend, threads=1)
    np.testing.assert_allclose(
        outer(X).detach(), (net(ng.tensor(X)) * 2).detach(), rtol=1e-5, atol=1e-6
    )


# -- NaN and infinity ------------------------------------------------------------------------
@pytest.fixture(scope="module", params=BACKENDS)
def checked(request: pytest.FixtureRequest) -> Setup:
    made = Setup(str(request.param))
    made.run = ng.compile(made.step, backend=made.backend, threads=1, check_finite=True)
    made.run(X, Y)
    return made


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_check_finite_names_the_argument(checked: Setup, bad: float) -> None:
    batch = X.copy()
    batch[1, 2] = bad
    checked.refuses(ng.NonFiniteError, "'x'", "[1, 2]", call=lambda: checked.run(batch, Y))


def test_check_finite_names_the_operator_and_the_module(checked: Setup) -> None:
    huge = np.full_like(X, 3e38)
    text = checked.refuses(ng.NonFiniteError, "result of", call=lambda: checked.run(huge, Y))
    assert "batch_norm_training at head.1 @ test_bad_input.py" in text


def test_check_finite_sees_a_gradient_of_finite_losses(checked: Setup) -> None:
    w = ng.zeros(3, requires_grad=True)

    def step(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sqrt().sum()
        loss.backward()
        with ng.no_grad():
            w.sub_(w.grad)
        return loss

    run = ng.compile(step, backend=checked.backend, threads=1, check_finite=True)
    with pytest.raises(ng.NonFiniteError, match=r"test_bad_input\.py:\d+ · grad"):
        run(np.ones(3, np.float32))
    assert w.tolist() == [0.0, 0.0, 0.0]


def test_without_the_option_nan_propagates(setup: Setup) -> None:
    net = nn.Linear(4, 3)
    batch = X.copy()
    batch[1, 2] = np.nan
    out = ng.compile(net, backend=setup.backend, threads=1)(batch).detach().numpy()
    np.testing.assert_array_equal(np.isnan(out).any(1), [False, True, *[False] * 4])

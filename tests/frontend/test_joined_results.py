"""Results of compiled functions on the tape: what is refused, and when; files; sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
from tests.support.tolerances import assert_close


def test_what_changed_since_is_refused() -> None:
    w = ng.ones(3, requires_grad=True)
    square = ng.compile(lambda x: (x * w).square().sum(), backend="reference")
    x = ng.ones(3)
    out = square(x)
    x.zero_()
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*CompiledFunction"):
        out.backward()
    out = square(ng.ones(3))
    with ng.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()
    out = square(ng.ones(3))
    out.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        out.backward()


def test_arrays_may_change_after_the_call() -> None:
    w = ng.ones(3, requires_grad=True)
    x = np.full(3, 2, np.float32)
    out = ng.compile(lambda x: (x * w).sum(), backend="reference")(x)
    x[:] = 7
    out.backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_a_view_cannot_take_a_history() -> None:
    w, whole = ng.ones(3, requires_grad=True), ng.ones(2, 3)
    scale = ng.compile(lambda x: x.mul_(w * 5), backend="reference")
    with pytest.raises(RuntimeError, match=r"argument 'x', a view.*pass x.clone\(\)"):
        scale(whole[0])
    with pytest.raises(RuntimeError, match=r"argument 'x', a NumPy array"):
        scale(np.ones(3, np.float32))
    assert whole.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_hooks_with_effects_of_their_own_are_refused_when_they_would_run() -> None:
    layer, seen = ng.nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, i, o: seen.append(1))
    out = ng.compile(lambda x: layer(x.requires_grad_()), backend="reference")(ng.ones(1, 2))
    assert out.shape == (1, 1)
    with pytest.raises(RuntimeError, match="a hook changes seen"):
        out.sum().backward()
    assert not seen


def test_backward_passes_that_no_graph_computes_say_so() -> None:
    class Odd(ng.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * float(g.sum())

    run = ng.compile(lambda x: Odd.apply(x), backend="reference")
    out = run(ng.ones(2, requires_grad=True))
    assert out.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match=r"backward through a result of the compiled function"):
        out.sum().backward()


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_sizes_may_change(backend: str) -> None:
    w = ng.ones(3, requires_grad=True)
    run = ng.compile(lambda x: ((x * w) ** 2).mean(), backend=backend, dynamic=True)
    for n in (2, 3, 5, 1):
        w.grad = None
        run(ng.ones(n, 3) * n).backward()
        assert_close(w.grad, np.full(3, 2 * n * n / 3, np.float32))
    assert len(run._history) == 2


def test_exported_files_have_no_outputs_for_it(tmp_path: Any) -> None:
    onnx = pytest.importorskip("onnx")
    model = ng.nn.Sequential(ng.nn.Linear(3, 4), ng.nn.GELU(), ng.nn.Linear(4, 1))
    run = ng.compile(model, backend="reference")
    run(ng.ones(2, 3)).sum().backward()
    file = onnx.load(ng.export(run, tmp_path / "model.onnx"))
    assert [o.name for o in file.graph.output] == ["output"]


def test_non_finite_gradients_are_found() -> None:
    w = ng.zeros(2, requires_grad=True)
    run = ng.compile(lambda x: (x * w).sqrt().sum(), backend="reference", check_finite=True)
    out = run(ng.ones(2))
    with pytest.raises(ng.NonFiniteError):
        out.backward()
    assert w.grad is None


def test_what_holds_no_results_keeps_no_memory() -> None:
    w = ng.ones(3, requires_grad=True)
    run = ng.compile(lambda x: (x * w).exp().sum(), backend="reference")
    out = run(ng.ones(3))
    entry = out.grad_fn
    assert entry.name() == "CompiledFunctionBackward"
    out.backward()
    assert all(saved.storage is None for saved in entry.inputs)


@pytest.mark.parametrize("into", ["closure", "buffer", "slice"])
def test_a_state_has_the_history_of_what_is_written_to_it(into: str) -> None:
    w, state = ng.ones(3, requires_grad=True), ng.zeros(3)
    holder = ng.nn.Module()
    holder.register_buffer("kept", state)

    @ng.compile(backend="reference")
    def f(x: ng.Tensor) -> Any:
        made = x * w
        if into == "slice":
            state[:] = made
        else:
            (state if into == "closure" else holder.kept).copy_(made)
        return made.sum()

    for _ in range(3):
        w.grad = None
        state.detach_()
        y = f(ng.ones(3))
        assert state.requires_grad
        (state.sum() + y).backward()
        assert w.grad.tolist() == [2, 2, 2]
    assert len(f._history) == 1
    state.add_(1)  # and no less a tensor
    assert state.detach().tolist() == [2, 2, 2]


def test_a_state_without_a_history_stays_without() -> None:
    w, state, last = ng.ones(3, requires_grad=True), ng.zeros(3), ng.zeros(())
    optimizer = ng.optim.SGD([w], lr=0.5)

    @ng.compile(backend="reference")
    def step(x: ng.Tensor) -> Any:
        optimizer.zero_grad()
        loss = (x * w).sum()
        last.copy_(loss)  # whose history backward frees
        state.copy_((x * w).detach())
        loss.backward()
        optimizer.step()
        return loss

    step(ng.ones(3))
    step(ng.ones(3))
    assert not state.requires_grad
    assert not last.requires_grad
    assert last.item() == 1.5


def test_gradients_that_are_retained_inside_are_refused_outside() -> None:
    """PyTorch's is the whole gradient of ``h``, of which only a part would come from outside."""
    w = ng.ones(3, requires_grad=True)

    def f(x: ng.Tensor) -> Any:
        h = x * w
        h.retain_grad()
        return h, (h * 2).sum()

    h, loss = ng.compile(f, backend="reference")(ng.ones(3))
    with pytest.raises(
        RuntimeError, match=r"backward through a result.*retain_grad\(\) was called"
    ):
        (loss + h.sum()).backward()

    @ng.compile(backend="reference")
    def whole(x: ng.Tensor) -> Any:
        h, loss = f(x)
        loss.backward()
        return h.grad

    assert whole(ng.ones(3)).tolist() == [2, 2, 2]

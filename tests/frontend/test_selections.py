"""``x[mask]`` in traces: what code computes of it is PyTorch's, whatever the mask selects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.errors import TraceError
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

Array = np.ndarray[Any, Any]
Program = Callable[[Any, Any, Any, Any, Any], Any]

RNG = np.random.default_rng(7)
MATRIX = RNG.standard_normal((2, 3)).astype(np.float32)
X = RNG.standard_normal((4, 3)).astype(np.float32)
LABELS = np.array([1, -100, 0, 2])  # those of rows that are left out are no classes
SOME, NONE = np.array([True, False, True, True]), np.zeros(4, bool)

#: (library, x, rows that are selected, labels, a matrix) -> a number. F is t.nn.functional.
WITH_NONE: dict[str, Program] = {
    "mean": lambda t, x, m, y, w: x[m].mean(),
    "sum": lambda t, x, m, y, w: x[m].sum(),
    "masked_select": lambda t, x, m, y, w: t.masked_select(x, m[:, None]).sum(),
    "elements": lambda t, x, m, y, w: x[(x > 0) & m[:, None]].mean(),
    "losses of rows": lambda t, x, m, y, w: (x**2).sum(1)[m].mean(),
    "no infinity passes": lambda t, x, m, y, w: (x[m].abs().log() * w.sum()).mean(),
    "columns": lambda t, x, m, y, w: x.t()[:, m].exp().mean(1).sum(),
    "a number and a slice beside": lambda t, x, m, y, w: x[m, 0].sum() + x[m, 1:].mean(),
    "selected twice": lambda t, x, m, y, w: x[m][x[m][:, 0] > 0].sum(),
    "the number of rows": lambda t, x, m, y, w: x[m].sum() / x[m].shape[0],
    "layers": lambda t, x, m, y, w: t.nn.functional.linear(x[m], w).relu().mean(),
    "products over rows": lambda t, x, m, y, w: (x[m].T @ x[m]).sum(),
    "pairs": lambda t, x, m, y, w: (x[m] @ x[m].T).tanh().mean(),
    "a pair of axes": lambda t, x, m, y, w: (x[m][:, None] - x[m][None]).pow(2).sum(),
    "softmax of a row": lambda t, x, m, y, w: (x[m].softmax(1) ** 2).mean(),
    "softmax over rows": lambda t, x, m, y, w: (x[m].softmax(0) ** 2).sum(),
    "logsumexp": lambda t, x, m, y, w: x[m].logsumexp(0).exp().sum(),
    "layer norm": lambda t, x, m, y, w: t.nn.functional.layer_norm(x[m], (3,)).pow(3).mean(),
    "norm": lambda t, x, m, y, w: x[m].norm(),
    "running sums": lambda t, x, m, y, w: (x[m].cumsum(0) ** 2).mean(),
    "positions": lambda t, x, m, y, w: (x[m] * t.arange(x[m].shape[0])[:, None]).sum(),
    "joined axes": lambda t, x, m, y, w: x[m].reshape(-1).exp().reshape(-1, 3)[:, 0].mean(),
    "one after the other": lambda t, x, m, y, w: t.cat([x[m], x[m] * 2], 1).mean(),
    "an assignment": lambda t, x, m, y, w: _assigned(x, m),
    "in place": lambda t, x, m, y, w: _in_place(x, m),
    "indices": lambda t, x, m, y, w: (x[y[m]] ** 2).sum(),
    "quotients": lambda t, x, m, y, w: (x[m] * (6 // (y[m] + 1))[:, None]).sum(),
    "cross entropy": lambda t, x, m, y, w: t.nn.functional.cross_entropy(x[m], y[m]),
    "the same mask twice": lambda t, x, m, y, w: t.nn.functional.nll_loss(
        x.log_softmax(1)[m & (y != -100)], y[m & (y != -100)], reduction="sum"
    ),
    "smoothed": lambda t, x, m, y, w: t.nn.functional.cross_entropy(
        x[m], y[m], w.detach().sum(0).abs(), label_smoothing=0.1
    ),
    "gathered": lambda t, x, m, y, w: -x.log_softmax(1)[m].gather(1, y[m][:, None]).mean(),
    "squares": lambda t, x, m, y, w: t.nn.functional.mse_loss(x[m], x[m].detach() * 2),
    "probabilities": lambda t, x, m, y, w: t.nn.functional.binary_cross_entropy(
        x[m].sigmoid(), (x[m] > 0).float()
    ),
    "a look at all": lambda t, x, m, y, w: (x[m] > 0).any() * 2.0 + (x[m] < 9).all() + x.sum(),
    "the accuracy": lambda t, x, m, y, w: (x[m].argmax(1) == y[m]).float().mean() + x.sum() * 0,
}
WITH_SOME: dict[str, Program] = {
    "max": lambda t, x, m, y, w: x[m].max(),
    "min": lambda t, x, m, y, w: x[m].amin(0).sum(),
    "ties": lambda t, x, m, y, w: t.round(x)[m].max(),
    "ties with what is filled in": lambda t, x, m, y, w: (
        (x[m] * float("inf")).amin(0)[0] * 0 + x.sum()
    ),
    "variance": lambda t, x, m, y, w: x[m].var() + x[m].std(0).sum(),
    "batch norm": lambda t, x, m, y, w: (
        t.nn.functional.batch_norm(x[m], None, None, training=True).pow(3).mean()
    ),
    "attention": lambda t, x, m, y, w: t.nn.functional.scaled_dot_product_attention(
        x[None, m], x[None, m], x[None, m]
    ).mean(),
    "halves": lambda t, x, m, y, w: x.half()[m].mean(),
}


#: Their programs read rows that are not selected, too.
READ_ALL = ("a look at all", "the accuracy", "ties with what is filled in", "gathered", "indices")


def _assigned(x: Any, mask: Any) -> Any:
    y = x * 1.0
    y[mask] = y[mask] * 2 + 1
    y[mask] += 3
    y[mask, 1] = 5
    y[mask, 1:] *= x[0, 1:]
    return (y**2).sum()


def _in_place(x: Any, mask: Any) -> Any:
    y = x[mask]
    y = y * 1
    y += 1
    y[y > 1.5] = 0
    return y.clamp_(max=1).pow(2).sum()


def _all(t: Any, programs: dict[str, Program]) -> Callable[..., Any]:
    """Each program's value and its gradients by x and w."""

    def step(x: Any, mask: Any, labels: Any, w: Any) -> dict[str, Any]:
        found = {}
        for name, program in programs.items():
            value = program(t, x, mask, labels, w)
            found[name] = (value, *t.autograd.grad(value, [x, w], allow_unused=True))
        return found

    return step


def _compare(backend: str, programs: dict[str, Program], *cases: tuple[Array, Array]) -> None:
    """One trace computes all programs, for each x and mask what PyTorch computes."""
    ours, theirs = _all(ng, programs), _all(torch, programs)
    step = ours if backend == "eager" else ng.compile(ours, backend=backend)
    for x, mask in cases:
        labels = np.where(mask, LABELS.clip(0), -100)
        wanted = theirs(*(_leaf(torch, a) for a in (x, mask, labels, MATRIX)))
        got = step(*(_leaf(ng, a) for a in (x, mask, labels, MATRIX)))
        for name in programs:
            for g, w in zip(got[name], wanted[name], strict=True):
                assert (g is None) == (w is None), name
                if w is not None:
                    assert_close(g.detach().numpy(), w.detach().numpy(), name, scale=2)


def _leaf(t: Any, array: Array) -> Any:
    made = t.tensor(array)
    return made.requires_grad_() if array.dtype == np.float32 else made


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_values_and_gradients_are_pytorchs(backend: str) -> None:
    _compare(backend, WITH_NONE, (X, SOME), (X, NONE))


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_what_is_not_selected_does_not_matter(backend: str) -> None:
    """NaN and infinity among it included."""
    hidden = np.where(SOME[:, None], X, np.array([np.nan, np.inf, -1e30], np.float32))
    programs = {
        name: program
        for name, program in (WITH_NONE | WITH_SOME).items()
        if name not in READ_ALL and "sum()" not in name
    }
    _compare(backend, programs, (hidden, SOME), (X, ~NONE))


def test_the_selection_of_a_maximum_may_not_be_empty() -> None:
    step = ng.compile(lambda x, m: x[m].max(), backend="reference")
    with pytest.raises(RuntimeError, match=r"max\(\) of a selection x\[mask\] that is empty"):
        step(ng.tensor(X), ng.tensor(NONE))


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_sizes_that_only_a_call_knows(backend: str) -> None:
    """Of the arguments, besides those of selections."""

    def step(t: Any, x: Any, labels: Any) -> Any:
        rows = labels != -100
        loss = t.nn.functional.cross_entropy(x[rows], labels[rows])
        return loss, x[rows].mean(0), x[x > 0].max()

    fast = ng.compile(lambda x, y: step(ng, x, y), backend=backend, dynamic=True)
    for n in (4, 3, 2, 4):
        wanted = step(torch, torch.tensor(X[:n]), torch.tensor(LABELS[:n]))
        for g, w in zip(fast(X[:n], LABELS[:n]), wanted, strict=True):
            assert_close(g.numpy(), w.numpy())
    assert fast.explain().count("\ntrace ") == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_that_trains_on_rows_with_labels(backend: str) -> None:
    def make(t: Any) -> Any:
        model = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.ReLU())
        with t.no_grad():
            for p in model.parameters():
                p.copy_(t.linspace(-0.4, 0.9, p.numel()).reshape(p.shape))
        optimizer = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, labels: Any) -> Any:
            rows = labels != -100
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    model, step = make(torch)
    losses = [step(torch.tensor(X), torch.tensor(LABELS)) for _ in range(4)]
    ours, own = make(ng)
    fast = ng.compile(own, backend=backend)
    for wanted in losses:
        assert_close(fast(X, LABELS).numpy(), wanted.detach().numpy(), scale=4)
    assert_close(ours[1].running_var.numpy(), model[1].running_var.numpy(), scale=4)


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "returned": (lambda x, m: x[m], "what is returned or kept"),
    "a loop": (lambda x, m: [r.sum() for r in x[m]], "a loop"),
    "len": (lambda x, m: x * len(x[m]), "itself"),
    "an element": (lambda x, m: x[m][0], "slice()"),
    "sorted": (lambda x, m: x[m].sort(0).values.sum(), "sort()"),
    "where it is": (lambda x, m: x[m].argmax(0), "arg_max()"),
    "joined": (lambda x, m: ng.cat([x[m], x]).sum(), "concat()"),
    "drawn": (lambda x, m: (x[m] * ng.rand_like(x[m])).sum(), "iota()"),
    "parts in another order": (
        lambda x, m: (x[m].reshape(-1) * x.t()[:, m].reshape(-1)).sum(),
        "reshape()",
    ),
    "another mask": (lambda x, m: x[m] + x[~m], "each mask has its own"),
    "the median": (lambda x, m: x[m].median(), "of a fixed size"),
    "two masks": (lambda x, m: x[m, m[:3]], "step by step"),
    "values of their own": (lambda x, m: x.clone().__setitem__(m, x[:2]), "full_size_values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_needs_the_size_says_what_to_write(case: str) -> None:
    program, text = REFUSED[case]
    with pytest.raises(RuntimeError) as error:
        ng.compile(program, backend="reference")(ng.tensor(X), ng.tensor(SOME))
    found = str(error.value)
    assert text in found and "test_selections.py" in found
    if isinstance(error.value, TraceError):
        assert "ng.where(mask" in found or "step by step" in found


def test_masks_that_are_there_select_as_eagerly() -> None:
    step = ng.compile(lambda x: (x[[True, False, True, True]], x[SOME, 1]), backend="reference")
    for got, wanted in zip(step(X), (X[SOME], X[SOME, 1]), strict=True):
        assert_close(got.numpy(), wanted)

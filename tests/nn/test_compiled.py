"""Modules in compiled functions: state that moves, modes, seeds, what traces anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import nngraph as ng
from nngraph import nn, optim
from tests.nn.parity import arrays_of
from tests.support.conditioning import Run, Shake, require_insensitive, still

X = np.random.default_rng(5).standard_normal((6, 4, 3, 5, 5)).astype(np.float32)
Y = np.random.default_rng(6).integers(0, 4, (6, 4))


def traces(function: Any) -> int:
    return function.explain().count("\ntrace ")


def network(n: Any) -> Any:
    # No bias before a normalization: its gradient is rounding noise, which Adam would blow up.
    return n.Sequential(
        n.Conv2d(3, 4, 3, bias=False),
        n.BatchNorm2d(4),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Flatten(),
        n.Linear(4, 4),
    )


def step_of(framework: Any, model: Any, optimizer: Any) -> Any:
    loss_function = framework.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def trained_in_pytorch(start: Any, dtype: str = "float32", shake: Shake = still) -> tuple[Run, Any]:
    """Losses, parameters and statistics of six steps from ``start``, and the optimizer."""
    model = network(torch.nn).to(getattr(torch, dtype))
    model.load_state_dict({k: torch.tensor(v) for k, v in start.items()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    step, losses = step_of(torch, model, optimizer), []
    for x, y in zip(X, Y, strict=True):
        shake(model.parameters())
        losses.append(step(torch.tensor(x.astype(dtype)), torch.tensor(y)).item())
    return Run(losses, arrays_of(model.state_dict())), optimizer


def test_a_compiled_step_moves_all_state_that_the_user_sees() -> None:
    start, tolerance = arrays_of(network(torch.nn).state_dict()), (1e-4, 1e-5)
    wanted = require_insensitive(
        "network", lambda *how: trained_in_pytorch(start, *how)[0], "float32", tolerance
    )
    ours = network(nn)
    ours.load_state_dict(start)
    first = optim.AdamW(ours.parameters(), lr=0.01)
    step = ng.compile(step_of(ng, ours, first), backend="reference")
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        assert abs(float(step(x, y)) - wanted.losses[i]) < 1e-5
        assert int(ours[1].num_batches_tracked) == i + 1
    for name, value in wanted.arrays.items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value, *tolerance)
    state = first.state_dict()["state"]
    assert float(state[0]["step"]) == 6
    other = trained_in_pytorch(start)[1].state_dict()["state"]
    np.testing.assert_allclose(
        state[0]["exp_avg"].numpy(), other[0]["exp_avg"].numpy(), rtol=1e-3, atol=1e-5
    )
    assert traces(step) == 1


def test_modes_trace_anew_once_each() -> None:
    model = network(nn)
    predict = ng.compile(lambda x: model(x), backend="reference")
    for _ in range(2):
        model.train()
        trained = predict(X[0]).detach().numpy()
        model.eval()
        kept = int(model[1].num_batches_tracked)
        evaluated = predict(X[0]).detach().numpy()
        assert not np.allclose(trained, evaluated)
        assert int(model[1].num_batches_tracked) == kept
    assert traces(predict) == 2
    assert "in the mode of eval() now" in predict.explain()


def test_what_changes_a_module_traces_anew() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0))
    call = ng.compile(lambda x: model(x), backend="reference")
    x = np.ones((2, 3), np.float32)
    call(x)

    def changed(change: Any) -> bool:
        before = traces(call)
        change()
        found = call(x).detach().numpy()
        np.testing.assert_allclose(found, model(ng.tensor(x)).detach().numpy(), rtol=1e-6)
        return traces(call) > before

    assert not changed(lambda: None)
    assert not changed(lambda: model[0].weight.data.fill_(0.5))
    assert not changed(lambda: model.load_state_dict(model.state_dict()))
    assert changed(lambda: setattr(model[0], "weight", nn.Parameter(ng.ones(3, 3))))
    assert changed(lambda: model.append(nn.ReLU()))
    assert changed(lambda: model[0].requires_grad_(False))
    assert changed(lambda: setattr(model[1], "p", 1.0))
    assert changed(lambda: model[0].register_forward_hook(lambda m, args, out: out * 2))
    assert not changed(lambda: None)


def test_dropout_draws_anew_and_follows_the_seed() -> None:
    model = nn.Dropout(0.5)
    call = ng.compile(lambda x: model(x), backend="reference")
    x = np.ones((8, 8), np.float32)

    def draws() -> list[np.ndarray]:
        ng.manual_seed(3)
        return [call(x).numpy() for _ in range(3)]

    first, second = draws(), draws()
    assert not np.array_equal(first[0], first[1])
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    ng.manual_seed(3)
    np.testing.assert_array_equal(model(ng.tensor(x)).numpy(), first[0])


def test_two_functions_share_a_model() -> None:
    model = network(nn)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = ng.compile(step_of(ng, model, optimizer), backend="reference")
    predict = ng.compile(lambda x: model(x), backend="reference")
    model.eval()
    before = predict(X[0]).detach().numpy()
    model.train()
    step(X[0], Y[0])
    model.eval()
    after = predict(X[0]).detach().numpy()
    np.testing.assert_allclose(after, model(ng.tensor(X[0])).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert not np.allclose(before, after)


def test_two_players_take_turns() -> None:
    """A step that trains one of two models leaves the other as it is."""
    first, second = nn.Linear(3, 3), nn.Linear(3, 1)
    optimizers = [optim.Adam(m.parameters(), lr=0.1) for m in (first, second)]

    def play(turn: int) -> Any:
        def step(x: Any) -> Any:
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = second(first(x)).sum()
            loss.backward()
            optimizers[turn].step()
            return loss

        return ng.compile(step, backend="reference")

    x = np.ones((2, 3), np.float32)
    steps = [play(0), play(1)]
    for turn in (0, 1, 1, 0):
        before = [arrays_of(m.state_dict()) for m in (first, second)]
        steps[turn](x)
        for i, model in enumerate((first, second)):
            moved = not np.array_equal(model.weight.detach().numpy(), before[i]["weight"])
            assert moved == (i == turn)
    assert float(optimizers[0].state[first.weight]["step"]) == 2
    assert [traces(s) for s in steps] == [1, 1]


def test_modules_give_paths_and_names_to_the_graph() -> None:
    model = network(nn)
    graph = ng.trace(model, X[0])
    assert [s.name for s in graph.states][:4] == [
        "0.weight",
        "1.num_batches_tracked",
        "1.weight",
        "1.bias",
    ]
    assert {n.origin.module for n in graph.nodes} >= {"0", "1", "3", "5"}

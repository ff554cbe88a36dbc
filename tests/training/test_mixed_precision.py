"""Training under autocast: losses and parameters stay beside PyTorch's, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.support.backends import BACKENDS
from tests.support.conditioning import Run, Shake, require_insensitive, still
from tests.support.tolerances import BACKEND
from tests.support.training import count_traces

STEPS = 6
RNG = np.random.default_rng(0)


class Conv:
    """Convolutions, batch normalization and averages: nothing that jumps at a rounding error."""

    x = RNG.standard_normal((STEPS, 8, 2, 8, 8)).astype(np.float32)

    def __init__(self, nn: Any) -> None:
        self.model = nn.Sequential(
            *(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(), nn.AvgPool2d(2)),
            *(nn.Conv2d(8, 8, 3), nn.SiLU(), nn.Flatten(), nn.Linear(32, 3)),
        )

    def __call__(self, x: Any) -> Any:
        return self.model(x)


class Transformer:
    """A layer of attention, a normalization, and the first position's classes."""

    x = RNG.standard_normal((STEPS, 8, 5, 16)).astype(np.float32)

    def __init__(self, nn: Any) -> None:
        layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, "gelu", batch_first=True)
        self.model = nn.Sequential(layer, nn.LayerNorm(16), nn.Linear(16, 3))

    def __call__(self, x: Any) -> Any:
        return self.model(x)[:, 0]


class LSTM:
    """Two layers of an LSTM, and a head on the last step."""

    x = RNG.standard_normal((STEPS, 8, 6, 4)).astype(np.float32)

    def __init__(self, nn: Any) -> None:
        self.model = nn.ModuleList([nn.LSTM(4, 16, 2, batch_first=True), nn.Linear(16, 3)])

    def __call__(self, x: Any) -> Any:
        return self.model[1](self.model[0](x)[0][:, -1])


class GRU:
    """States that are wider than the gates."""

    x = RNG.standard_normal((STEPS, 8, 6, 4)).astype(np.float32)

    def __init__(self, nn: Any) -> None:
        self.model = nn.ModuleList([nn.GRU(4, 16, batch_first=True), nn.Linear(16, 3)])

    def __call__(self, x: Any) -> Any:
        return self.model[1](self.model[0](x)[0][:, -1])


NETS = {net.__name__: net for net in (Conv, Transformer, LSTM, GRU)}
CASES = [*((n, "bfloat16") for n in NETS), ("Conv", "float16"), ("Transformer", "float16")]
Y = RNG.integers(0, 3, (STEPS, 8))
Compile = Callable[[Any], Any]


def start(net: Any) -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    return {k: v.numpy().copy() for k, v in net(torch.nn).model.state_dict().items()}


def trained(
    library: Any,
    net: Any,
    half: str,
    dtype: str = "float32",
    shake: Shake = still,
    wrap: Compile = lambda step: step,
) -> Run:
    """Losses and parameters of some steps; with a scaler where the half is float16."""
    run = net(library.nn)
    weights = start(net)
    run.model.load_state_dict({k: library.tensor(v) for k, v in weights.items()})
    run.model.to(getattr(library, dtype))
    parameters = list(run.model.parameters())
    if half == "float16":  # Adam's first steps have the sign of a gradient, however small it is
        optimizer = library.optim.SGD(parameters, lr=0.02)
    else:
        optimizer = library.optim.AdamW(parameters, lr=1e-3)
    scaler = library.amp.GradScaler("cpu", 2.0**10, enabled=half == "float16")

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        with library.autocast("cpu", getattr(library, half)):
            loss = library.nn.functional.cross_entropy(run(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    wrapped, losses = wrap(step), []
    for x, y in zip(net.x, Y, strict=True):
        shake(parameters)
        losses.append(float(wrapped(library.tensor(x.astype(dtype)), library.tensor(y))))
    assert all(p.dtype is getattr(library, dtype) and p.grad is not None for p in parameters[:1])
    arrays = {k: v.detach().numpy().copy() for k, v in run.model.state_dict().items()}
    return Run(losses, arrays)


def nearby(got: Run, wanted: Run, half: str, weights: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(got.losses, wanted.losses, *BACKEND[half])
    for name, expected in wanted.arrays.items():
        np.testing.assert_allclose(got.arrays[name], expected, *BACKEND[half], err_msg=name)
    moved = [name for name, v in weights.items() if not np.array_equal(wanted.arrays[name], v)]
    assert len(moved) > len(weights) / 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("where", ["eager", *BACKENDS])
@pytest.mark.parametrize(("name", "half"), CASES)
def test_trains_beside_pytorch(name: str, half: str, where: str) -> None:
    if where != "eager" and MODULES[where].missing:
        pytest.skip(f"no {where} backend")
    net = NETS[name]
    wanted = require_insensitive(
        f"{name} in {half}",
        lambda dtype, shake: trained(torch, net, half, dtype, shake),
        "float32",
        BACKEND[half],
    )
    steps: list[Any] = []

    def wrap(step: Any) -> Any:
        steps.append(step if where == "eager" else ng.compile(step, backend=where, keep_grads=True))
        return steps[0]

    nearby(trained(ng, net, half, wrap=wrap), wanted, half, start(net))
    if where != "eager":
        assert count_traces(steps[0]) == 1

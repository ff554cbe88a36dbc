"""einops on tensors of nngraph gives what it gives on PyTorch's: eager, compiled, as layers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

einops = pytest.importorskip("einops", reason="needs einops, of the test extra")

import nngraph as ng  # noqa: E402
from nngraph.backends import BACKENDS as MODULES  # noqa: E402
from tests.support.backends import BACKENDS  # noqa: E402
from tests.support.training import count_traces  # noqa: E402

#: ``e`` is einops, ``x`` of 2 x 6 x 4, ``y`` of 4 x 3, ``m`` the library.
CALLS = [
    "e.rearrange(x, 'b t c -> (b t) c')",
    "e.rearrange(x, 'b (h d) c -> h b c d', h=2)",
    "e.rearrange(x, '... c -> c ...')",
    "e.rearrange(x, 'b t c -> b 1 t c 1')",
    "e.rearrange([x, x + 1], 'n b t c -> b (n t) c')",
    "e.rearrange(x, 'b t c -> ()')",
    "e.rearrange(x, 'b (t) c -> b c', t=6)",
    "e.reduce(x, 'b t c -> b c', 'max')",
    "e.reduce(x, 'b t c -> b c', 'min')",
    "e.reduce(x, 'b (t two) c -> b t c', 'mean', two=2)",
    "e.reduce(x, 'b t c -> ', 'sum')",
    "e.reduce(x, 'b t c -> t', 'prod')",
    "e.reduce(x > 0, 'b t c -> b c', 'any')",
    "e.reduce(x > 0, 'b t c -> b', 'all')",
    "e.reduce(x, 'b t c -> b () c', 'sum')",
    "e.reduce((x * 9).long(), 'b t c -> c', 'sum')",
    "e.reduce((x * 9).long(), 'b t c -> c', 'mean')",
    "e.reduce(x, 'b t c -> b', lambda x, axes: x.sum(axes) * 2)",
    "e.repeat(x, 'b t c -> b t c k', k=3)",
    "e.repeat(x, 'b t c -> (2 b) t (c k)', k=2)",
    "e.einsum(x, y, 'b t c, c d -> b t d')",
    "e.einsum(x, y, 'batch t c, c d -> d batch')",
    "e.einsum(x, x, '... t c, ... s c -> ... t s')",
    "e.pack([x, x[:, 0], x[:, None, :2]], 'b * c')",
    "e.unpack(x, [(2,), (), (3, 1)], 'b * c')",
    "e.unpack(x, [[2], [-1]], 'b * c')",
    "e.parse_shape(x, 'b _ c')",
    "e.asnumpy(x.detach())",
    "L.Rearrange('b (h d) c -> b h (d c)', h=3)(x)",
    "L.Reduce('b (t two) c -> b t c', 'max', two=2)(x)",
    "L.EinMix('b t c -> b t d', weight_shape='c d', c=4, d=3)",
    "e.rearrange(x, 'b t c -> b t d')",
    "e.rearrange(x, 'b t -> b t')",
    "e.rearrange(x, 'b (h d) c -> h b c d', h=4)",
    "e.pack([x], 'b c')",
]


def layers(library: Any) -> Any:
    if library is torch:
        import einops.layers.torch as found
    else:
        import einops.layers.nngraph as found
    return found


def given(library: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s).astype(np.float32) for s in ((2, 6, 4), (4, 3)))
    tensors = {"x": library.tensor(x).requires_grad_(), "y": library.tensor(y)}
    return {"e": einops, "m": library, "L": layers(library), **tensors}


def shown(value: Any) -> Any:
    if isinstance(value, torch.Tensor | ng.Tensor):
        return shown(value.detach().numpy())
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, np.round(value.astype(np.float64), 4).tolist()
    if isinstance(value, list | tuple):
        return [shown(v) for v in value]
    return value if isinstance(value, dict | int) else str(value)


def outcome(library: Any, text: str) -> Any:
    scope = given(library)
    try:
        value = eval(text, scope)
    except Exception as error:  # noqa: BLE001 - its kind is what is compared
        return type(error).__name__, None
    if getattr(value, "requires_grad", False):
        value.sum().backward()
        return shown(value), shown(scope["x"].grad)
    return shown(value), None


@pytest.mark.parametrize("text", CALLS)
def test_calls_give_what_pytorchs_give(text: str) -> None:
    assert outcome(ng, text) == outcome(torch, text)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_calls_give_what_eager_ones_give(backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    made = given(ng)
    texts = [
        t for t in CALLS if isinstance(eval_or_none(t, made), ng.Tensor) and "asnumpy" not in t
    ]
    assert len(texts) > 15

    def function(x: Any, y: Any) -> list[Any]:
        return [eval(t, {**made, "x": x, "y": y}) for t in texts]

    arguments = made["x"].detach(), made["y"]
    got = ng.compile(function, backend=backend)(*arguments)
    assert [shown(g) for g in got] == [shown(w) for w in function(*arguments)]


def eval_or_none(text: str, scope: dict[str, Any]) -> Any:
    try:
        return eval(text, scope)
    except (RuntimeError, KeyError):
        return None


SYMBOLIC = {
    "e.rearrange(x, 'b (h d) c -> h b c d', h=2)": 2,
    "e.rearrange(x, 'b t c -> (b t) c')": 2,
    "e.reduce(x, 'b (t two) c -> c b', 'sum', two=3)": 2,
    "e.repeat(x, 'b t c -> b (t k) c', k=2)": 2,
    "e.einsum(x, x, 'b t c, b s c -> b t s')": 2,
    "e.pack([x, x[:, 0]], 'b * c')[0]": 2,
    "L.Rearrange('b t c -> t (b c)')(x)": 2,
    # A size that has to be divided is a number: each one is a trace.
    "e.rearrange(x, '(k b) t c -> b t (k c)', k=2)": 3,
}


@pytest.mark.parametrize("text", SYMBOLIC)
def test_sizes_may_be_symbolic(text: str) -> None:
    scope = given(ng)

    def function(x: Any) -> Any:
        return eval(text, {**scope, "x": x})

    compiled = ng.compile(function, backend="reference", dynamic=True)
    for size in (2, 4, 6):
        x = ng.randn(size, 6, 4)
        assert shown(compiled(x)) == shown(function(x))
    assert count_traces(compiled) == SYMBOLIC[text]


class Mixer:
    """A patch embedding and two mixing products, as PyTorch users write them."""

    def __init__(self, library: Any) -> None:
        L = layers(library)
        self.model = library.nn.Sequential(
            L.Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2),
            L.EinMix("b t cin -> b t cout", "cin cout", "cout", cin=4, cout=6),
            library.nn.Tanh(),
            L.EinMix("b t (g c) -> b t (g d)", "g c d", g=2, c=3, d=4),
            L.Reduce("b t c -> b c", "mean"),
        )


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_layers_train_as_pytorchs(backend: str) -> None:
    if backend != "eager" and MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    ours, theirs = Mixer(ng).model, Mixer(torch).model
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 1, 4, 4)).astype(np.float32)
    steps = [trainer(library, model) for library, model in ((ng, ours), (torch, theirs))]
    first = steps[0] if backend == "eager" else ng.compile(steps[0], backend=backend)
    for _ in range(3):
        got, wanted = float(first(ng.tensor(x))), float(steps[1](torch.tensor(x)))
        np.testing.assert_allclose(got, wanted, 1e-5)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), 1e-4, 1e-6)
    if backend != "eager":
        assert count_traces(first) == 1


def trainer(library: Any, model: Any) -> Any:
    optimizer = library.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def test_weights_start_as_pytorchs() -> None:
    ng.manual_seed(0)
    layer = layers(ng).EinMix("b c -> b d", "c d", "d", c=400, d=300)
    bounds = [(3 / 400) ** 0.5, (1 / 400) ** 0.5]
    for value, bound in zip((layer.weight, layer.bias), bounds, strict=True):
        array = np.abs(value.detach().numpy())
        assert 0.95 * bound < array.max() <= bound
    assert layer.bias.requires_grad


def test_layers_are_pickled() -> None:
    layer = layers(ng).Rearrange("b (h d) -> h b d", h=2)
    twin = pickle.loads(pickle.dumps(layer))
    x = ng.randn(3, 4)
    assert shown(twin(x)) == shown(layer(x))


ORDERS = {
    "einops first": "import einops, nngraph as ng",
    "nngraph first": "import nngraph as ng, einops",
    "nngraph alone": "import nngraph as ng, sys; assert 'einops' not in sys.modules; import einops",
    "the layers": "from nngraph.einops.layers import Reduce; import einops, nngraph as ng",
    "PyTorch, too": "import einops, torch; einops.rearrange(torch.ones(2, 3), 'a b -> b a'); "
    "import nngraph as ng",
}
CHECK = """
assert einops.rearrange(ng.ones(2, 3), 'a b -> b a').shape == (3, 2)
import numpy; assert einops.rearrange(numpy.ones((2, 3)), 'a b -> b a').shape == (3, 2)
import einops._backends as b; backend = b.get_backend(ng.nn.Parameter(ng.ones(1)))
assert backend is b.get_backend(ng.ones(1)) and backend.framework_name == 'nngraph'
assert isinstance(backend.layers().Rearrange('a -> a'), ng.nn.Module)
"""


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_imports(order: str) -> None:
    command = [sys.executable, "-c", f"{ORDERS[order]}\n{CHECK}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

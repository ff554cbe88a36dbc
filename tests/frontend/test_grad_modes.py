"""Grad modes, inference mode and anomaly detection, beside PyTorch's."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng


def log(f: Any, body: Callable[[Any, Callable[[], Any]], Any], mode: Any) -> list[Any]:
    """What a decorated body saw of the mode, and what is in force after it."""
    seen: list[Any] = []
    body(mode, lambda: seen.append(f.is_grad_enabled()))
    return [*seen, f.is_grad_enabled()]


def function(mode: Any, see: Callable[[], Any]) -> None:
    @mode
    def called() -> None:
        see()

    called()
    called()


def method(mode: Any, see: Callable[[], Any]) -> None:
    class Thing:
        @mode
        def run(self) -> None:
            assert isinstance(self, Thing)
            see()

    Thing().run()


def generator(mode: Any, see: Callable[[], Any]) -> None:
    @mode
    def steps() -> Any:
        see()
        try:
            got = yield 1
        except KeyError:
            got = "thrown"
        see()
        yield got
        return 3

    for start in (lambda s: s.send(5), lambda s: s.throw(KeyError())):
        running = steps()
        next(running)
        see()
        assert start(running) in (5, "thrown")
        see()
        assert list(running) == []
    running = steps()
    next(running)
    running.close()


def klass(mode: Any, see: Callable[[], Any]) -> None:
    class Thing:
        def __init__(self) -> None:
            see()

        def run(self) -> None:
            see()

    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):
        made = mode(Thing)
    made().run()


def coroutine(mode: Any, see: Callable[[], Any]) -> None:
    @mode
    async def wait() -> None:
        see()

    asyncio.run(wait())


MODES: dict[str, Callable[[Any], Any]] = {
    "no_grad": lambda f: f.no_grad(),
    "no_grad, bare": lambda f: f.no_grad,
    "enable_grad": lambda f: f.enable_grad(),
    "enable_grad, bare": lambda f: f.enable_grad,
    "set False": lambda f: f.set_grad_enabled(False),
    "set True": lambda f: f.set_grad_enabled(True),
    "inference": lambda f: f.inference_mode(),
    "inference, bare": lambda f: f.inference_mode,
    "no inference": lambda f: f.inference_mode(False),
    "by name": lambda f: f.inference_mode(mode=True),
}


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [function, method, generator, klass, coroutine])
def test_modes_decorate(body: Any, mode: str, outside: bool) -> None:
    found = []
    for f in (torch, ng):
        with f.set_grad_enabled(outside):
            found.append(log(f, body, MODES[mode](f)))
        assert f.is_grad_enabled()
    assert found[0] == found[1]


def test_set_grad_enabled_is_a_function_too() -> None:
    found = []
    for f in (torch, ng):
        seen = []
        f.set_grad_enabled(False)
        seen.append(f.is_grad_enabled())
        f.set_grad_enabled(mode=True)
        later = f.set_grad_enabled(False)
        with later:
            seen.append(f.is_grad_enabled())
        seen.append(f.is_grad_enabled())
        with pytest.raises(TypeError, match="must be bool, not int"):
            f.set_grad_enabled(1)
        found.append([*seen, repr(f.set_grad_enabled(True))[-26:]])
    assert found[0] == found[1]


def test_a_traced_function_leaves_the_mode_as_it_was() -> None:
    @ng.compile(backend="reference")
    def leaves_it_off(x: Any) -> Any:
        ng.set_grad_enabled(False)
        return x * 2

    with pytest.raises(ng.TraceError, match=r"with ng.set_grad_enabled\(False\)"):
        leaves_it_off(ng.ones(2))
    assert ng.is_grad_enabled()

    @ng.compile(backend="reference")
    def puts_it_back(x: Any) -> Any:
        ng.set_grad_enabled(False)
        y = x * 2
        ng.set_grad_enabled(True)
        return y * x

    assert puts_it_back(ng.ones(2)).tolist() == [2.0, 2.0]


def said(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RuntimeError as error:
        return str(error)[:50]


INFERENCE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "is": lambda f, a, x: (a.is_inference(), x.is_inference(), f.is_inference(a)),
    "views": lambda f, a, x: (a[:1].is_inference(), a.detach().is_inference()),
    "results": lambda f, a, x: ((a + 1).is_inference(), a.clone().is_inference()),
    "arithmetic": lambda f, a, x: (a * 2).tolist(),
    "saved": lambda f, a, x: a * x,
    "not saved": lambda f, a, x: ((x + a).requires_grad, (x - a).requires_grad),
    "in place": lambda f, a, x: a.add_(1),
    "in place of a view": lambda f, a, x: a.view(3).add_(1),
    "read in place": lambda f, a, x: x.detach().clone().copy_(a).tolist(),
    "requires_grad_": lambda f, a, x: a.requires_grad_(),
    "of a clone": lambda f, a, x: a.clone().requires_grad_().requires_grad,
    "a layer": lambda f, a, x: f.nn.Linear(3, 3)(a),
    "a layer, not recorded": lambda f, a, x: f.no_grad()(f.nn.Linear(3, 3))(a).requires_grad,
}


@pytest.mark.parametrize("title", INFERENCE)
def test_inference_tensors_are_kept_apart(title: str) -> None:
    found = []
    for f in (torch, ng):
        x = f.ones(3, requires_grad=True)
        with f.inference_mode():
            a = f.ones(3) * 3
        found.append(said(lambda a=a, x=x, f=f: INFERENCE[title](f, a, x)))
    assert found[0] == found[1]


def test_inside_inference_mode() -> None:
    found = []
    for f in (torch, ng):
        x = f.ones(3, requires_grad=True)
        with f.inference_mode():
            y = x * 2
            y.add_(1)
            inner = f.ones(2, requires_grad=True)
            x.detach().mul_(2)
            with f.enable_grad():
                recorded = (x * 2).requires_grad
            with f.inference_mode(False):
                z = x * 2
            seen = [y.requires_grad, y.is_leaf, inner.requires_grad, (inner * 2).requires_grad]
            seen += [recorded, z.requires_grad, z.is_inference(), f.is_inference_mode_enabled()]
        found.append([*seen, y.tolist(), z.tolist(), f.is_inference_mode_enabled()])
    assert found[0] == found[1]


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
def test_inference_mode_in_compiled_functions(backend: str) -> None:
    w = ng.ones(3, requires_grad=True)

    @ng.compile(backend=backend)
    def step(x: Any) -> Any:
        with ng.inference_mode():
            y = x * w
            y.add_(1)
        return y, (y * w).sum()

    y, total = step(ng.ones(3))
    assert (y.tolist(), total.item()) == ([2.0] * 3, 6.0)
    with ng.inference_mode():
        assert step(ng.ones(3) * 2)[0].tolist() == [3.0] * 3


def test_anomaly_detection_names_the_line() -> None:
    x = ng.tensor([0.0, 1.0], requires_grad=True)
    with ng.autograd.set_detect_anomaly(True):
        y = x.sqrt()  # here
        loss = (y * 0).sum()
        with pytest.raises(RuntimeError) as caught:
            loss.backward()
    assert "Function 'SqrtBackward0' returned nan values in its 0th output" in str(caught.value)
    assert "y = x.sqrt()  # here" in str(caught.value)
    (x.sqrt() * 0).sum().backward()  # off again
    with ng.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    y = x.sqrt()
    with ng.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="outside of"):
        (y * 0).sum().backward()
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        mode = ng.autograd.detect_anomaly()
    with mode:
        y = x * 2
        z = y * y  # saved
        y.detach().add_(1)
        with pytest.raises(RuntimeError, match="test_grad_modes"):
            z.sum().backward()
    assert not ng.autograd.anomaly_mode.is_anomaly_enabled()
    assert ng.autograd.anomaly_mode.is_anomaly_check_nan_enabled()


def test_anomaly_detection_is_no_traced_code() -> None:
    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with ng.autograd.detect_anomaly():
                return x * 2

    with pytest.raises(ng.TraceError, match="check_finite=True"):
        step(ng.ones(2))

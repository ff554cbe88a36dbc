"""What of Python's state no call can carry is refused at the trace, before anything changed."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from nngraph.frontend.errors import TraceError
from tests.support.backends import BACKENDS

X = ng.ones(2, 3)
CALLS = 0
GENERATOR = np.random.default_rng(0)


def refused(step: Callable[..., Any], *parts: str, backend: str = "reference") -> str:
    """The error names all parts, and the trace left nothing."""
    with pytest.raises(TraceError) as error:
        ng.compile(step, backend=backend)(X)
    text = str(error.value)
    for part in parts:
        assert part in text, text
    return text


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_counter_in_the_closure(backend: str) -> None:
    count, model = 0, nn.Linear(3, 1)
    before = model.weight.tolist()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: ng.Tensor) -> None:
        nonlocal count
        model(x).sum().backward()
        count += 1
        if count % 3 == 0:
            optimizer.step()

    refused(
        step,
        "variable of the enclosing function 'count' from 0 to 1",
        "test_refused.py",
        "count += 1",
        "self.count += 1",
        backend=backend,
    )
    assert count == 0
    assert model.weight.tolist() == before
    assert not optimizer.state and model.weight.grad is None


def test_a_tensor_in_the_closure() -> None:
    h = ng.zeros(3)

    def step(x: ng.Tensor) -> ng.Tensor:
        nonlocal h
        h = h + x.sum(0)
        return h

    refused(step, "'h' from a tensor (f32[3]) to a tensor (f32[3])", "h = h + x.sum(0)")
    assert h.tolist() == [0, 0, 0]


def test_a_global_number() -> None:
    def step(x: ng.Tensor) -> ng.Tensor:
        global CALLS
        CALLS += 1
        return x * CALLS

    refused(step, "global variable 'CALLS' from 0 to 1", "CALLS += 1")
    assert CALLS == 0


def test_an_attribute_of_a_class() -> None:
    class Model(nn.Module):
        calls = 0

        def forward(self, x: ng.Tensor) -> ng.Tensor:
            Model.calls += 1
            return x

    refused(Model(), "attribute of a class 'Model.calls' from 0 to 1", "Model.calls += 1")
    assert Model.calls == 0


DRAWS: dict[str, Callable[[], float]] = {
    "random.random()": random.random,
    "np.random.rand()": np.random.rand,
    "np.random.beta(1, 2)": lambda: np.random.beta(1, 2),
    "GENERATOR.normal()": lambda: GENERATOR.normal(),
}


def states() -> list[Any]:
    legacy: Any = np.random.get_state()
    return [random.getstate(), legacy[1].tolist(), legacy[2:], GENERATOR.bit_generator.state]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_random_numbers_of_others(draw: str, backend: str) -> None:
    def step(x: ng.Tensor) -> Any:
        y = x * 2
        y = y * DRAWS[draw]()
        return y

    before = states()
    refused(step, "draws from", "test_refused.py:", "ng.rand", backend=backend)
    assert states() == before


def test_a_generator_of_ones_own() -> None:
    own = random.Random(1)
    before = own.getstate()

    def step(x: ng.Tensor) -> ng.Tensor:
        return x * own.random()

    refused(step, "'own', a Random", "return x * own.random()", "ng.rand")
    assert own.getstate() == before


def test_iterators() -> None:
    numbers, items = itertools.count(), iter([1.0, 2.0])

    def step(x: ng.Tensor) -> ng.Tensor:
        return x * next(numbers)

    def other(x: ng.Tensor) -> ng.Tensor:
        return x * next(items)

    def endless() -> Any:
        while True:
            yield 1.0

    made = endless()

    def third(x: ng.Tensor) -> ng.Tensor:
        return x * next(made)

    refused(step, "takes items from 'numbers'", "pass them as arguments")
    refused(other, "takes items from 'items'")
    refused(third, "takes items from 'made'")


def test_the_elements_of_an_array() -> None:
    array = np.zeros(3, np.float32)

    def step(x: ng.Tensor) -> ng.Tensor:
        array[0] += 1
        return x * ng.tensor(array)

    refused(step, "changes the elements of 'array'", "array[0] += 1", "ng.tensor(array)")
    assert array.tolist() == [0, 0, 0]


BRANCHES: dict[str, Callable[[Any], Any]] = {
    "if": lambda n: 1 if n % 3 == 0 else 2,
    "range": lambda n: len(range(n)),
    "math": lambda n: __import__("math").sqrt(n),
    "sorted": lambda n: sorted([n, 2]),
    "key": lambda n: max([n, 2], key=lambda k: k > 3),
    "text": lambda n: f"{n:.2f}",
    "item": lambda n: {1: 2}.get(n),
    "float": float,
    "index": lambda n: [1, 2, 3][n],
}


@pytest.mark.parametrize("kind", BRANCHES)
def test_code_that_depends_on_a_carried_number(kind: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: ng.Tensor) -> ng.Tensor:
            self.calls += 1
            BRANCHES[kind](self.calls)
            return x

    model = Model()
    refused(model, "needs the value of model.calls", "test_refused.py", "pass what was decided")
    assert model.calls == 0


def test_what_python_cannot_compute_in_a_later_call() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left = 3

        def forward(self, x: ng.Tensor) -> ng.Tensor:
            self.left -= 1
            return x * math.sqrt(self.left)

    model = Model()
    fast = ng.compile(model, backend="reference")
    for _ in range(3):
        fast(X)
    with pytest.raises(ValueError, match="math domain error") as error:
        fast(X)
    assert model.left == 0
    assert "test_refused.py" in error.value.__notes__[0]
    assert "math.sqrt(self.left)" in error.value.__notes__[0]


def test_functions_of_python_are_what_they_were_after_a_trace() -> None:
    memory: dict[str, Any] = {"n": 1}
    names = {"min", "max", "int", "float"}

    def step(x: ng.Tensor) -> ng.Tensor:
        assert isinstance(memory["n"], int) and not isinstance(2.0, int)
        memory["n"] = min(memory["n"] + int(1.5), 5)
        memory["f"] = math.cos
        return x * math.cos(memory["n"])

    ng.compile(step, backend="reference")(X)
    assert memory == {"n": 2, "f": math.cos} and memory["f"] is math.cos
    assert not names & set(globals())
    with pytest.raises(TraceError):
        ng.compile(lambda x: min(x.sum(), 1), backend="reference")(X)
    assert not names & set(globals())


def test_a_schedule_that_looks_at_the_loss() -> None:
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer)

    def step(x: ng.Tensor) -> ng.Tensor:
        loss = model(x).sum()
        scheduler.step(loss)
        return loss

    refused(step, "ReduceLROnPlateau.step", "scheduler.step(loss)", "scheduler.step(float(loss))")
    assert scheduler.last_epoch == 0


def test_a_hook_that_stays() -> None:
    model = nn.Linear(3, 1)

    def step(x: ng.Tensor) -> ng.Tensor:
        model.register_forward_hook(lambda m, a, out: out * 2)
        return model(x)

    refused(step, "another set of hooks", "model._forward_hooks", "handle.remove()")
    assert not model._forward_hooks


def test_new_parameters_and_objects_of_tensors() -> None:
    model = nn.Linear(3, 1)

    class Holder:
        def __init__(self, x: ng.Tensor) -> None:
            self.x = x

    memory: dict[str, Any] = {}

    def step(x: ng.Tensor) -> None:
        model.weight = nn.Parameter(x[:1] * 2)

    def other(x: ng.Tensor) -> None:
        memory["holder"] = Holder(x * 2)

    refused(step, "model.weight", "a new Parameter at each call")
    refused(other, "memory['holder']", "a new object that holds tensors")
    assert not memory


def test_a_list_that_is_an_argument() -> None:
    kept: list[ng.Tensor] = []

    @ng.compile(backend="reference")
    def step(x: ng.Tensor, out: list[ng.Tensor]) -> None:
        out.append(x * 2)

    with pytest.raises(TraceError, match="list or dict that was passed as an argument"):
        step(X, kept)
    assert not kept


def test_what_the_walk_cannot_see_is_reported_where_it_is_used() -> None:
    hidden = threading.local()

    @ng.compile(backend="reference")
    def step(x: ng.Tensor) -> ng.Tensor:
        hidden.x = x * 2
        return x

    step(X)
    with pytest.raises(TraceError, match="leave a compiled function only by"):
        hidden.x + 1


def test_history_that_a_call_left_is_gone() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)
            self.h = ng.zeros(3)

        def forward(self, x: ng.Tensor) -> ng.Tensor:
            self.h = self.inner(x).sum(0) + self.h
            return self.h

    cell = Cell()

    @ng.compile(backend="reference")
    def step(x: ng.Tensor) -> None:
        cell(x).sum().backward()

    step(X)
    assert cell.h.requires_grad and not cell.h.is_leaf
    before = cell.h.detach().tolist()
    with pytest.raises(RuntimeError, match=r"cell\.h = h\.detach\(\)"):
        step(X)
    assert cell.h.detach().tolist() == before
    with pytest.raises(RuntimeError, match=r"cell\.h = h\.detach\(\)"):
        (cell.h * 2).sum().backward()

"""What Python asks of a traced tensor works, or the error names the line and what to write."""

from __future__ import annotations

import copy
import io
import logging
import math
import pickle
import statistics
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.frontend.errors import ConcretizationError, TraceError
from tests.support.backends import BACKENDS

X = np.array([3.0, 1.0, 2.0], np.float32)


def loop(x: Any) -> Any:
    while x.sum() > 0:
        x = x - 1
    return x


def asserted(x: Any) -> Any:
    assert (x > 0).all()
    return x


# What is asked, and words of the answer.
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "f-string": (lambda x: f"{x.sum():.4f}", r"print\(f"),
    "width only": (lambda x: f"{x.sum():>10}", r"print\(f"),
    "str.format": (lambda x: "{:.2f}".format(x.sum()), r"print\(f"),  # noqa: UP032
    "percent": (lambda x: "%.3f" % x.sum(), "make it a number outside"),  # noqa: UP031
    "float": (lambda x: float(x.sum()), "make it a number outside"),
    "int": (lambda x: int(x.sum()), "make it a number outside"),
    "item": (lambda x: x.sum().item(), "make it a number outside"),
    "math": (lambda x: math.sqrt(x.sum()), r"ng\.sqrt\(x\) for math\.sqrt\(x\)"),
    "floor": (lambda x: math.floor(x.sum()), r"ng\.sqrt\(x\) for math\.sqrt\(x\)"),
    "bool": (lambda x: bool(x.sum() > 0), r"ng\.where\(x > 0, a, b\)"),
    "if": (lambda x: x if x.sum() > 0 else -x, r"ng\.where\(x > 0, a, b\)"),
    "while": (loop, r"ng\.where\(x > 0, a, b\)"),
    "assert": (asserted, r"under `if not ng\.compiler\.is_compiling\(\):`"),
    "not": (lambda x: not x.sum(), "write `&`, `|`, `~`"),
    "and": (lambda x: (x.sum() > 0) and (x.sum() < 9), "write `&`, `|`, `~`"),
    "chained": (lambda x: 0 < x.sum() < 5, "write `&`, `|`, `~`"),
    "in": (lambda x: 3.0 in x, r"\bin\b"),
    "max of two": (lambda x: max(x.sum(), 0), r"ng\.maximum\(a, b\)"),
    "sorted": (lambda x: sorted([x.sum(), x.mean()]), "sorted"),
    "any": (lambda x: any(x > 0), "needs the value"),
    "equal": (lambda x: ng.equal(x, x), "look at it outside"),
    "numpy": (lambda x: x.numpy(), "ng's function in place of NumPy's"),
    "asarray": (lambda x: np.asarray(x), "ng's function in place of NumPy's"),
    "np.dot": (lambda x: np.dot(x, x), "ng's function in place of NumPy's"),
    "tolist": (lambda x: x.tolist(), "ng's function in place of NumPy's"),
    "range": (lambda x: list(range(x.sum().long())), "pass the number as an int argument"),
    "list index": (lambda x: [1, 2, 3][x.argmax()], r"Index tensors by tensors"),
    "slice": (lambda x: x[: x.argmax()], r"ng\.where\(ng\.arange\(n\) < i"),
    "pickle": (lambda x: pickle.dumps(x), "outside of the compiled function"),
    "nonzero": (lambda x: x.nonzero(), "outside of the compiled function"),
    "bincount": (lambda x: ng.bincount(x.long(), minlength=9), r"ng\.zeros\(n\)\.index_add\(0, x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_a_value_says_what_to_write(name: str) -> None:
    function, words = REFUSED[name]
    with pytest.raises(ConcretizationError, match=words) as caught:
        ng.compile(function, backend="reference")(ng.from_numpy(X))
    text = str(caught.value)
    assert "test_traced_values.py:" in text
    assert "being traced" in text


WORKS: dict[str, Callable[[Any], Any]] = {
    "len": lambda x: x * len(x),
    "iteration": lambda x: sum(row * k for k, row in enumerate(x)),
    "zip": lambda x: [a * b for a, b in zip(x, x.flip(0), strict=True)],
    "unpacking": lambda x: (lambda a, b, c: a - b * c)(*x),
    "reversed": lambda x: list(reversed(x)),
    "sum": lambda x: sum(x),
    "abs, pow": lambda x: abs(pow(x, 3)),
    "np.sum": lambda x: np.sum(x),
    "np.mean": lambda x: np.mean(x),
    "index by a tensor": lambda x: x[x.argmax()] * x[x.argsort()],
    "tensor of tensors": lambda x: ng.tensor([x.sum(), x.mean()]),
    "copy": lambda x: copy.copy(x) + 1,
    "deepcopy": lambda x: copy.deepcopy(x.detach()).add_(1) + x,
    "deepcopy in a dict": lambda x: copy.deepcopy({"h": x.detach()})["h"].mul_(2) + x,
    "key of a dict": lambda x: {x: x + 1}[x],
    "is None": lambda x: x + (x is None) + (x == None),  # noqa: E711
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_needs_no_value_works(backend: str) -> None:
    def everything(x: Any) -> Any:
        return [function(x) for function in WORKS.values()]

    got = ng.compile(everything, backend=backend, threads=1)(ng.from_numpy(X.copy()))
    wanted = everything(ng.from_numpy(X.copy()))
    for name, ours, theirs in zip(WORKS, got, wanted, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-6, err_msg=name)


def test_printing_while_tracing_shows_the_type() -> None:
    shown = io.StringIO()

    def step(x: Any) -> Any:
        with redirect_stdout(shown):
            print(x, str(x.sum()), f"{x}", [x])
        return x

    ng.compile(step, backend="reference")(ng.from_numpy(X))
    text = "<traced tensor f32[3] of step>"
    assert shown.getvalue() == f"{text} <traced tensor f32[] of step> {text} [{text}]\n"


def test_errors_name_the_users_line_also_below_python_s_own_files(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def step(x: Any) -> Any:
        logging.getLogger("nngraph.test").warning("loss %s", x.sum())
        return statistics.mean([float(v) for v in x])

    with pytest.raises(ConcretizationError, match=r"test_traced_values.py:\d+: return statistics"):
        ng.compile(step, backend="reference")(ng.from_numpy(X))
    assert "loss <traced tensor f32[] of step>" in caplog.text
    with pytest.raises(ConcretizationError, match=r"test_traced_values.py:\d+: return self.tensor"):
        ng.compile(lambda x: copy.deepcopy(Bad(x)), backend="reference")(ng.from_numpy(X))


class Bad:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __deepcopy__(self, memo: Any) -> Any:
        return self.tensor.item()


def unknown() -> Any:
    """An object that is not walked: the standard library keeps its own state."""
    holder = threading.local()
    holder.held = None
    return holder


USES: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda t: t + 1,
    "item": lambda t: t.sum().item(),
    "value": lambda t: t.tolist(),
    "numpy": lambda t: t.detach().numpy(),
    "in place": lambda t: t.add_(1),
    "backward": lambda t: t.sum().backward(),
    "compiled": lambda t: ng.compile(lambda: t * 2, backend="reference")(),
    "compiled, value": lambda t: ng.compile(lambda: t.item(), backend="reference")(),
    "argument": lambda t: ng.compile(lambda x: x * 2, backend="reference")(t),
    "format": lambda t: f"{t[0]:.3f}",
}


@pytest.mark.parametrize("name", USES)
def test_a_tensor_that_left_a_trace_says_where_it_came_from(name: str) -> None:
    holder = unknown()

    def leaking_step(x: Any) -> Any:
        hidden = x * 2
        hide(holder, hidden)
        return x

    ng.compile(leaking_step, backend="reference")(ng.from_numpy(X))
    assert repr(holder.held) == "<traced tensor f32[3] of leaking_step>"
    with pytest.raises(TraceError) as caught:
        USES[name](holder.held)
    text = str(caught.value)
    assert "made while 'leaking_step' was traced" in text
    assert "test_traced_values.py" in text.split("made at")[1]
    assert "hidden = x * 2" in text
    assert "`return` (add it to what 'leaking_step' returns)" in text
    assert "kept.copy_(tensor)" in text


def hide(holder: Any, tensor: Any) -> None:
    holder.held = tensor


def test_an_argument_and_a_parameter_that_left_a_trace() -> None:
    holder = unknown()
    ng.compile(lambda x: hide(holder, x), backend="reference")(ng.from_numpy(X))
    with pytest.raises(TraceError, match="'<lambda>' was traced"):
        holder.held + 1
    weight = ng.ones(3)
    ng.compile(lambda x: hide(holder, weight), backend="reference")(ng.from_numpy(X))
    assert (holder.held + 1).tolist() == [2, 2, 2]

"""One expression, evaluated with PyTorch and with nngraph: the oracle of the frontend's tests.

An expression is Python text over ``m`` (``torch`` or ``nngraph``), ``np`` and the operands of
``OPERANDS``. Results, kinds of exception, gradients and compiled results are compared.
"""

from __future__ import annotations

import math
import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.errors import TraceError

rng = np.random.default_rng(7)


def _floats(*shape: int) -> np.ndarray:
    return rng.uniform(0.2, 2.0, shape).astype(np.float32) * rng.choice([-1, 1], shape).astype("f4")


OPERANDS: dict[str, np.ndarray] = {
    "x": _floats(2, 3, 4),
    "y": _floats(3, 4),
    "z": _floats(4, 3),
    "v": _floats(4),
    "w": _floats(4),
    "p": rng.uniform(0.1, 0.9, (3, 4)).astype("f4"),  # between 0 and 1
    "r": _floats(2, 4, 5),
    "q": _floats(2, 1, 3, 4),
    "s": np.array(1.5, "f4"),
    "e": np.zeros((0, 3), "f4"),
    "d": _floats(3, 4).astype("f8"),
    "h": _floats(3, 4).astype("f2"),
    "nans": np.array([1.0, np.nan, -np.inf, np.inf, -0.0], "f4"),
    "ties": np.array([[1, 3, 3], [2, 2, 2], [0, -0.0, 0]], "f4"),
    "i": np.array([[5, -7, 0, 3], [2, 9, -4, 1], [6, 0, 8, -3]]),
    "j": np.array([[2, 3, 1, 2], [-3, 4, 3, 1], [5, 1, 2, -2]]),
    "i32": np.array([3, 1, 2, 0], "i4"),
    "i0": np.array(2),
    "u8": np.array([3, 250, 0, 7], "u1"),
    "b": np.array([[True, False, True, True], [False] * 4, [True, True, False, False]]),
    "c": np.array([[False, False, True, True], [True] * 4, [True, False, False, True]]),
    "b3": np.array([True, False, True]),
    "idx": np.array([2, 0, 2]),
    "neg": np.array([-1, 0, -3]),
    "idx2": np.array([[0, 1], [2, 0]]),
    "pair": np.array([1, 0]),
    "g": np.array([[0, 2, 1, 0], [2, 2, 0, 1]]),  # gather indices into y along 0
}

torch_bfloat = torch.bfloat16


def operands(library: Any, text: str, grad: bool = False) -> dict[str, Any]:
    """The operands that ``text`` names, as fresh tensors of ``library``."""
    names = compile(text, "<case>", "exec").co_names
    made = {}
    for name in names:
        if name in OPERANDS:
            tensor = library.tensor(OPERANDS[name].copy())
            wanted = grad and OPERANDS[name].dtype.kind == "f"
            made[name] = tensor.requires_grad_() if wanted else tensor
    return made


def evaluate(library: Any, text: str, given: dict[str, Any]) -> Any:
    """The value of the last expression; statements before it are separated by ``;``."""
    *before, last = text.split("; ")
    scope = {"m": library, "np": np, "math": math, **given}
    if before:
        exec("; ".join(before), scope)
    return eval(last, scope)


def attempt(library: Any, text: str) -> tuple[Any, Exception | None]:
    """Value and exception, one of them None."""
    try:
        return evaluate(library, text, operands(library, text)), None
    except Exception as error:  # noqa: BLE001 - its kind is what the test compares
        return None, error


def plain(value: Any) -> Any:
    """Nested tuples of (dtype name, shape, array) and Python values."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        array = value.float().numpy() if value.dtype == torch_bfloat else value.numpy(force=True)
        return str(value.dtype).removeprefix("torch."), tuple(value.shape), array
    if isinstance(value, ng.Tensor):
        array = value.detach().numpy()
        array = array.astype("f4") if array.dtype == ml_dtypes.bfloat16 else array
        return value.dtype.name, tuple(value.shape), array
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, ng.dtype):
        return value.name
    if isinstance(value, tuple | list):
        return tuple(plain(v) for v in value)
    return value


def same(got: Any, wanted: Any, rtol: float = 2e-5, atol: float = 1e-5) -> None:
    """Asserts that two ``plain`` values agree: dtypes and shapes exactly, floats nearly."""
    assert isinstance(got, tuple) == isinstance(wanted, tuple), (got, wanted)
    if isinstance(wanted, tuple) and len(wanted) == 3 and isinstance(wanted[2], np.ndarray):
        assert got[:2] == wanted[:2], f"got {got[:2]}, PyTorch gives {wanted[:2]}"
        if wanted[0] in ("float16", "bfloat16"):
            rtol, atol = 1e-2, 1e-3
        np.testing.assert_allclose(got[2], wanted[2], rtol, atol)
    elif isinstance(wanted, tuple):
        assert len(got) == len(wanted), (got, wanted)
        for g, w in zip(got, wanted, strict=True):
            same(g, w)
    elif isinstance(wanted, float):
        np.testing.assert_allclose(got, wanted, rtol, atol)
        assert isinstance(got, float)
    else:
        assert got == wanted and type(got) is type(wanted), (got, wanted)


def check(text: str) -> None:
    """The same value, or the same kind of exception."""
    wanted, error = attempt(torch, text)
    got, raised = attempt(ng, text)
    if error is None:
        if raised is not None:
            raise raised
        same(plain(got), plain(wanted))
        return
    assert raised is not None, f"PyTorch raises {error!r}, nngraph gives {plain(got)}"
    kind = RuntimeError if isinstance(error, NotImplementedError) else type(error)
    assert isinstance(raised, kind), f"PyTorch raises {error!r}, nngraph {raised!r}"


def floats(library: Any, value: Any) -> list[Any]:
    """All tensors of the value that require grad."""
    if isinstance(value, tuple | list):
        return [t for v in value for t in floats(library, v)]
    return [value] if isinstance(value, library.Tensor) and value.requires_grad else []


def gradients(library: Any, text: str) -> list[Any] | None:
    """Gradients of a fixed weighting of the results with respect to every float operand."""
    given = operands(library, text, grad=True)
    roots = floats(library, evaluate(library, text, given))
    if not roots:
        return None
    total = 0
    for k, root in enumerate(roots):
        weights = np.cos(np.arange(max(1, root.numel())) + k)[: root.numel()]
        total = total + (root.double() * library.tensor(weights).reshape(root.shape)).sum()
    total.backward()
    return [None if t.grad is None else plain(t.grad) for t in given.values()]


def check_gradients(text: str) -> None:
    """The same gradients of every operand; where PyTorch has none, nothing is compared."""
    try:
        wanted = gradients(torch, text)
    except (RuntimeError, UserWarning):
        return
    got = gradients(ng, text)
    assert (got is None) == (wanted is None), (got, wanted)
    for g, w in zip(got or (), wanted or (), strict=True):
        assert (g is None) == (w is None), (g, w)
        if w is not None:
            same(g, w, 1e-4, 1e-4)


#: Methods whose results are Python values, or shapes that depend on values.
NEED_VALUES = (
    "equal(",
    "allclose(",
    ".nonzero(",
    "m.nonzero(",
    "m.where(b)",
    "unique(",
    "bincount(",
    "masked_s",
    "item(",
    "[m.tensor(True)]",
    "tolist(",
    "argwhere(",
    "m.tensor([1, 0, 2, 1])",
    "y.t_()",
    "y.squeeze_()",
    "y.unsqueeze_(0)",
    "y.data = d",
)


def check_compiled(text: str) -> None:
    """Compiled by the reference backend, the value is what eager code gives.

    What needs values while tracing says so.
    """
    given = operands(ng, text)
    eager = evaluate(ng, text, operands(ng, text))
    names = list(given)

    def function(*tensors: Any) -> Any:
        return evaluate(ng, text, dict(zip(names, tensors, strict=True)))

    if isinstance(eager, ng.Size | ng.dtype):
        return  # shapes and dtypes are no results of compiled functions
    compiled = ng.compile(function, backend="reference")
    if any(word in text for word in NEED_VALUES):
        with pytest.raises(TraceError, match=r"parity.py|<string>"):
            compiled(*given.values())
    else:
        same(plain(compiled(*given.values())), plain(eager))


def cases(text: str) -> list[str]:
    """The expressions of a table, with two spaces or a new line between them; \\ joins lines."""
    text = re.sub(r"\s*\\\n\s*", " ", text)
    return [case for line in text.splitlines() for case in line.strip().split("  ") if case]


def valid(text: str) -> bool:
    """True if PyTorch gives a value, no error."""
    return attempt(torch, text)[1] is None

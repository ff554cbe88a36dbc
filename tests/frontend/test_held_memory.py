"""Memory that others hold, too, is a state: they see what compiled calls write, and are seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def _wrapped(library: Any, start: int) -> tuple[Any, Any]:
    """A tensor over an array (aligned or not), and a look at the array."""
    memory = np.arange(40, dtype="f4")[start : start + 8]
    return library.from_numpy(memory), memory


def _strided(library: Any) -> tuple[Any, Any]:
    memory = np.arange(16, dtype="f4").reshape(8, 2)[:, 1]
    return library.from_numpy(memory), memory


def _lent(library: Any) -> tuple[Any, Any]:
    w = library.tensor(np.arange(8, dtype="f4")) * 1
    return w, w.numpy()


def _lent_view(library: Any) -> tuple[Any, Any]:
    w = library.tensor(np.arange(8, dtype="f4")) * 1
    return w, w.view(2, 4).t()[::2].numpy()[:, 1:]


def _dlpack(library: Any) -> tuple[Any, Any]:
    w = library.tensor(np.arange(8, dtype="f4")) * 1
    return w, np.from_dlpack(w)


def _torchs(library: Any) -> tuple[Any, Any]:
    theirs = torch.arange(8.0)
    return library.from_dlpack(theirs), theirs.numpy()


def _both(library: Any) -> tuple[Any, Any]:
    """One tensor over an array of the other: the function meets only one of them."""
    w = library.tensor(np.arange(8, dtype="f4")) * 1
    return w, library.from_numpy(w.numpy()[2:])


def _leaf_of_a_view(library: Any) -> tuple[Any, Any]:
    w = library.tensor(np.arange(8, dtype="f4"))
    return w, w.detach()[3:].requires_grad_()


def _half(library: Any) -> tuple[Any, Any]:
    w = library.tensor(np.arange(8, dtype="f4")).to(library.bfloat16)
    return w, w.detach() if library is torch else w.detach().__array__()


HELD: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "from_numpy": lambda library: _wrapped(library, 0),
    "from_numpy of misaligned memory": lambda library: _wrapped(library, 1),
    "from_numpy of every other element": _strided,
    "numpy()": _lent,
    "numpy() of a view": _lent_view,
    "to dlpack": _dlpack,
    "from dlpack": _torchs,
    "a tensor over the array of another": _both,
    "a leaf that is a view": _leaf_of_a_view,
    "bfloat16": _half,
}


def _numbers(x: Any) -> list[Any]:
    if isinstance(x, torch.Tensor | ng.Tensor):
        return x.detach().tolist()
    return np.asarray(x, "f4").tolist()


def _trained(library: Any, name: str, wrap: Callable[[Any], Any]) -> list[Any]:
    """What the tensor and its other holder show, between writes from both sides."""
    w, holder = HELD[name](library)
    seen = []

    @wrap
    def step() -> Any:
        w.mul_(2)
        return w.sum()

    for number in range(4):
        seen.append([float(step()), _numbers(w), _numbers(holder)])
        if "leaf" not in name:
            holder[..., 0] = number
        seen.append(_numbers(w))
    return seen


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", HELD)
def test_holders_see_each_other(name: str, backend: str) -> None:
    wanted = _trained(torch, name, lambda f: f)
    assert _trained(ng, name, lambda f: ng.compile(f, backend=backend)) == wanted


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_that_was_given_back_is_exchanged_again(backend: str) -> None:
    w = ng.tensor([1.0, 2.0])
    step = ng.compile(lambda: w.mul_(2).sum(), backend=backend)
    for _ in range(3):
        array = w.numpy()
        step()
        view = array[1:]
        del array
        step()
        assert view.tolist() == w[1:].tolist() and w._storage.is_held
        del view
        assert not w._storage.is_held
        step()
    assert w.tolist() == [512, 1024]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_fails_leaves_lent_memory(backend: str) -> None:
    w, table = ng.tensor([1.0, 2.0]), ng.tensor([[1.0], [2.0]])

    @ng.compile(backend=backend)
    def step(i: Any) -> Any:
        w.mul_(2)
        return table[i] * w

    for calls in range(1, 5):
        step(ng.tensor([0]))
        array = w.numpy()
        with pytest.raises(IndexError):
            step(ng.tensor([5]))
        assert array.tolist() == w.tolist() == [2**calls, 2 ** (calls + 1)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_read_only_memory_is_not_written(backend: str) -> None:
    memory, other = np.ones(4, "f4"), ng.tensor([1.0])
    memory.flags.writeable = False
    w = ng.from_numpy(memory)

    @ng.compile(backend=backend)
    def step() -> None:
        other.add_(1)
        w.add_(1)

    for _ in range(2):
        with pytest.raises(ValueError, match="'tensor_1', whose memory is read-only"):
            step()
    assert other.tolist() == [1] and memory.tolist() == [1] * 4
    assert ng.compile(lambda: w.sum(), backend=backend)().item() == 4


def test_wrapping_takes_the_machines_byte_order() -> None:
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(np.ones(2, ">f4"))
    with pytest.raises(ValueError, match="byte order"):
        ng.from_numpy(np.ones(2, ">f4"))
    assert ng.tensor(np.ones(2, ">f4")).tolist() == [1, 1]

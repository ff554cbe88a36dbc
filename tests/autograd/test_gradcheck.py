"""``gradcheck`` and ``gradgradcheck`` beside PyTorch's: what passes, what is found, options."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import nngraph as ng

Call = Callable[..., Any]


def wrong(m: Any, backward: Call, double: bool = True) -> Call:
    """A function whose gradient is what ``backward`` makes of the right one."""

    class Square(m.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return backward(m, 2 * x * g, x)

    applied: Call = Square.apply
    return applied


COUNT = [0.0]


def changing(m: Any, g: Any, x: Any) -> Any:
    COUNT[0] += 1e-7
    return g + COUNT[0]


FUNCTIONS: dict[str, Call] = {
    "sin": lambda m: lambda x: x.sin(),
    "product": lambda m: lambda x, y: (x @ y, y.exp()),
    "view": lambda m: lambda x: x.view(-1)[:2],
    "constant": lambda m: lambda x: m.ones(2, dtype=m.float64),
    "detached": lambda m: lambda x: (x * 2).detach(),
    "integers": lambda m: lambda x: (x * 2, x.argmax()),
    "written": lambda m: lambda x: x.clone().mul_(2).add_(x),
    "twice too much": lambda m: wrong(m, lambda m, g, x: 2 * g),
    "plus one": lambda m: wrong(m, lambda m, g, x: g + 1),
    "a little wrong": lambda m: wrong(m, lambda m, g, x: g * (1 + 1e-4)),
    "changing": lambda m: wrong(m, changing),
    "no second": lambda m: wrong(m, lambda m, g, x: g.detach()),
    "growing": lambda m: lambda x: (x * 2)[: 2 + int(x.sum() > 3.5)].sum(1, keepdim=True),
    "number": lambda m: lambda x: (x**3).sum(),
    "needs a gradient": lambda m: lambda x: wrong(m, lambda m, g, x: g)(x)[0],
}

#: A function, its inputs - A[2, 2], B[2, 2] that require grad, C that does not - and options.
CALLS = """
    gradcheck('sin', A)
    gradcheck('sin', (A,))
    gradcheck('sin', [A])
    gradcheck('product', (A, B))
    gradcheck('product', (A, C))
    gradcheck('view', A)
    gradcheck('constant', A)
    gradcheck('detached', A)
    gradcheck('detached', A, fast_mode=True)
    gradcheck('integers', A)
    gradcheck('written', A)
    gradcheck('sin', E)
    gradcheck('product', (A, B), fast_mode=True)
    gradcheck('product', (A, B), check_batched_grad=True)
    gradcheck('product', (A, B), check_grad_dtypes=True, check_undefined_grad=False)
    gradcheck('sin', A, masked=True, nondet_tol=1e-6, eps=1e-5, atol=1e-4, rtol=1e-2)
    gradcheck('sin', A.detach().float().requires_grad_(), eps=1e-2, atol=1e-2)
    gradcheck('sin', A.detach().float().requires_grad_())
    gradcheck('twice too much', A)
    gradcheck('twice too much', A, raise_exception=False)
    gradcheck('twice too much', A, fast_mode=True)
    gradcheck('plus one', A)
    gradcheck('a little wrong', A)
    gradcheck('a little wrong', A, rtol=1e-5, atol=1e-9)
    gradcheck('changing', A)
    gradcheck('no second', A)
    gradcheck('needs a gradient', A)
    gradcheck('growing', O)
    gradcheck('sin', C)
    gradcheck('sin', 3)
    gradcheck('sin', A[:1].detach().expand(2, 2).requires_grad_())
    gradcheck('sin', A, check_backward_ad=False)
    gradcheck('sin', A, check_backward_ad=False, check_forward_ad=True, check_batched_grad=True)
    gradgradcheck('sin', A)
    gradgradcheck('product', (A, B))
    gradgradcheck('product', (A, C))
    gradgradcheck('number', A)
    gradgradcheck('sin', A, B)
    gradgradcheck('sin', A, C)
    gradgradcheck('sin', A, gen_non_contig_grad_outputs=True)
    gradgradcheck('product', (A, B), fast_mode=True, check_batched_grad=True)
    gradgradcheck('no second', A)
    gradgradcheck('no second', A, raise_exception=False)
    gradgradcheck('sin', A, check_rev_over_rev=False)
"""


def run(m: Any, text: str) -> Any:
    COUNT[0] = 0.0
    values = [[0.3, -1.2], [0.7, 1.1]]
    given = {
        k: m.tensor(values, dtype=m.float64, requires_grad=grad) * 1
        for k, grad in (("A", False), ("B", False), ("C", False))
    }
    given |= {"E": m.zeros(0, 2, dtype=m.float64), "O": m.ones(2, 2, dtype=m.float64) * 0.875}
    for k in "ABEO":
        given[k].requires_grad_()

    def call(name: str) -> Call:
        def checked(function: str, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(m.autograd, name)(FUNCTIONS[function](m), inputs, *args, **kwargs)

        return checked

    return eval(text, {k: call(k) for k in ("gradcheck", "gradgradcheck")} | given)


@pytest.mark.parametrize("text", [line.strip() for line in CALLS.strip().splitlines()])
def test_as_pytorchs(text: str) -> None:
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        try:
            wanted: Any = run(torch, text)
        except Exception as error:  # noqa: BLE001 - its kind and words are what the test compares
            wanted = error
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        if not isinstance(wanted, Exception):
            assert run(ng, text) is wanted
        else:
            with pytest.raises(Exception) as caught:
                run(ng, text)
            assert type(caught.value).__name__ == type(wanted).__name__, str(wanted)
            assert str(caught.value)[:40] == str(wanted)[:40]
    own = {str(w.message)[:40] for w in ours}
    assert own == {str(w.message)[:40] for w in theirs if "vmap" not in str(w.message)}


def test_inputs_are_put_back() -> None:
    x = ng.tensor([1.0, 2.0], dtype=ng.float64, requires_grad=True)
    calls = []

    def fails(t: Any) -> Any:
        calls.append(t)
        if len(calls) == 3:
            raise ValueError("no")
        return t * 2

    with pytest.raises(ValueError, match="no"):
        ng.autograd.gradcheck(fails, x)
    assert x.tolist() == [1.0, 2.0] and x.grad is None


@pytest.mark.parametrize("options", [{"check_forward_ad": True}, {"check_fwd_over_rev": True}])
def test_forward_mode_is_refused(options: dict[str, bool]) -> None:
    x = ng.ones(2, dtype=ng.float64, requires_grad=True)
    check = ng.autograd.gradcheck if "check_forward_ad" in options else ng.autograd.gradgradcheck
    with pytest.raises(NotImplementedError, match=r"ng\.func\.jvp"):
        check(ng.sin, x, **options)
    for name in ("make_dual", "unpack_dual"):
        with pytest.raises(NotImplementedError, match=r"write ng\.func\.jvp|ng\.func\.jvp"):
            getattr(ng.autograd.forward_ad, name)(x, *[x] * (name == "make_dual"))
    for refused in (
        ng.autograd.forward_ad.dual_level,
        ng.autograd.forward_ad.enter_dual_level,
        ng.autograd.forward_ad.exit_dual_level,
    ):
        with pytest.raises(NotImplementedError, match="no dual tensors"):
            refused()


def test_multithreading_is_a_word() -> None:
    x = ng.ones(2, requires_grad=True)
    with ng.autograd.set_multithreading_enabled(False):
        (x * 2).sum().backward()
    ng.autograd.set_multithreading_enabled(True)
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]

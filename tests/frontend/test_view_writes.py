"""What PyTorch gives a view in: writing to the result shows in the base, and the other way round.

Each function runs eagerly, with gradients, and compiled, compared with PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.parity import cases
from tests.support.backends import BACKENDS

#: Views of ``a[4, 5]``, ``c[2, 3, 4]``, ``v[8]``, ``o[1, 3, 1]``; none repeats elements.
VIEWS = cases(r"""
    a.diagonal()  a[:, :3].diagonal()  a.t().diagonal()  a.diagonal(1)  a.diagonal(-1)
    a.diagonal(9)
    c.diagonal(dim1=0, dim2=2)  c.diagonal(1, 2, 1)  c.diagonal(0, -1, -2)  m.diagonal(a, 1)
    c[:, 1:].diagonal(0, 1, 2)  c.transpose(0, 1).diagonal().t()
    c.permute(2, 0, 1)[1:].diagonal(-1)
    v[2:].view(2, 3).t()[1:].diagonal()  a[::2].diagonal()[1:]  a.diagonal().unsqueeze(0)
    a.t()  a.T  a.mT  c.mT  c.mH  a.H  a.adjoint()  c.movedim(0, 2)  c.moveaxis(0, 1)
    c.movedim((0, 1), (2, 0))  a.swapaxes(0, 1)  a.swapdims(0, 1)  a.transpose(0, 1)
    a.permute(1, 0)  c.permute(2, 0, 1)  v.unfold(0, 2, 2)  v.unfold(0, 2, 3)  v.unfold(0, 8, 1)
    c.unfold(1, 1, 1)  c.unfold(-1, 2, 2)  a.t().unfold(0, 2, 2)  c.unfold(2, 2, 2).unfold(0, 1, 1)
    a.unfold(1, 0, 2)  a.expand(4, 5)  a.expand_as(a)  v[None].expand(1, 8)
    a.narrow(0, 1, 2)  a.narrow(1, -2, 2)  a.select(0, 1)  a.select(1, -1)
    a.view_as(a)  a.view(5, 4)  a.view(-1)  a.view(size=(5, 4))
    v.view(2, 4)  a.t().view(5, 2, 2)  a.squeeze()  o.squeeze()  o.squeeze(0)
    o.squeeze((0, 2))  a.unsqueeze(0)  a.unsqueeze(-1)  a.flatten()  c.flatten(1)  c.flatten(0, 1)
    a.ravel()  a.as_strided((2, 2), (1, 2))  a.as_strided((2, 2), (1, 2), 3)
    a[2].as_strided((2,), (3,))
    a[1:, 1:].as_strided((2, 2), (5, 1))  a.t().as_strided((2, 2), (1, 2), 1)
    a.diagonal(1).as_strided((3,), (5,))  m.as_strided(a, (3,), (5,), 1)
    a.unflatten(0, (2, 2))  a.unflatten(1, (-1, 5))  a.reshape(5, 4)  a.contiguous()  a[:]  a[1]
    a[1:3]  a[:, ::2]  a[..., 1]  a[None]  a[1, 2]  a[-1]  a[1:2, 0]  m.atleast_1d(v)
    m.atleast_2d(v)
    m.atleast_3d(a)  m.atleast_3d(v)  m.broadcast_to(v, (1, 8))
""")

#: Views that PyTorch lets nobody write to while it records.
PARTS = cases(r"""
    a.split(2)[1].as_strided((1,), (1,))
    a.unbind()[1]  a.unbind(1)[1]  m.unbind(c, 2)[3]  a.view(m.float32)
    a.split(2)[1]  a.split([1, 3])[1]  a.split(2, 1)[1]  a.split_with_sizes([1, 3])[1]
    a.chunk(2)[1]
    a.chunk(3, 1)[1]  a.tensor_split(3)[1]  a.tensor_split((1, 2))[1]  a.hsplit(5)[1]
    a.hsplit((1, 2))[1]  v.hsplit(2)[1]  a.vsplit(2)[1]  c.dsplit(2)[1]  m.hsplit(a, 5)[1]
""")

#: Functions that need values, or that PyTorch refuses.
ERRORS = cases(r"""
    v.unfold(0, 9, 1)  v.unfold(0, 2, 0)  v.unfold(1, 2, 1)  v.unfold(0, -1, 1)
    m.tensor(3.).unfold(0, 1, 1)  m.tensor(3.).unfold(0, 0, 1)
    a.as_strided((9,), (9,))  a.as_strided((2,), (1, 1))  a.as_strided((2,), (-1,))  v.H  c.H  v.mH
    a.hsplit(2)  v.vsplit(2)  a.dsplit(2)  a.vsplit(3)  m.tensor(1.).hsplit(1)
    a.diagonal(0, 1, 1)  a.diagonal(0, 2, 1)  v.diagonal()  a.narrow(0, m.tensor(1), 2)
    a.tensor_split(m.tensor(3))[1]  a.tensor_split(m.tensor([1, 2]))[1]
    a.diagonal_scatter(m.ones(4))  a.diagonal_scatter(m.ones(3), 2)  a.diagonal_scatter(m.ones(2))
    v.adjoint()
""")


def _operands(library: Any) -> dict[str, Any]:
    shapes = {"a": (4, 5), "c": (2, 3, 4), "v": (8,), "o": (1, 3, 1)}
    return {
        name: library.tensor(np.arange(np.prod(shape), dtype="f4").reshape(shape) / 7)
        for name, shape in shapes.items()
    }


def _view(library: Any, text: str, operands: dict[str, Any]) -> Any:
    return eval(text, {"m": library, **operands})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return list(value.shape), value.detach().tolist()


def _written(library: Any, text: str) -> list[Any]:
    """The view; what writing to it leaves in the operands; what writing to these leaves in it."""
    given = _operands(library)
    view = _view(library, text, given)
    seen = [_plain(view)]
    view.mul_(3).add_(1)
    seen += [_plain(list(given.values())), _plain(view)]
    for operand in given.values():
        operand.sub_(2)
    return [*seen, _plain(view)]


@pytest.mark.parametrize("text", [*VIEWS, *PARTS])
def test_writes_go_both_ways(text: str) -> None:
    assert _written(ng, text) == _written(torch, text)


@pytest.mark.parametrize("text", ERRORS)
def test_misfits(text: str) -> None:
    try:
        wanted = _view(torch, text, _operands(torch))
    except (RuntimeError, IndexError) as error:
        with pytest.raises(type(error)):
            _view(ng, text, _operands(ng))
    else:
        assert _plain(_view(ng, text, _operands(ng))) == _plain(wanted)


def _step(library: Any, text: str, leaf: Any) -> Any:
    """A recorded write through a view of twice the leaf."""
    operands = _operands(library)
    base = leaf * 2
    view = _view(library, text, {**operands, _owner(text): base})
    view.mul_(view.detach() + 1)
    return base


def _owner(text: str) -> str:
    """The operand that a text shows: the first that it names."""
    return text.removeprefix("m.").split("(")[1][0] if text.startswith("m.") else text[0]


def _leaf(library: Any, text: str) -> Any:
    return _operands(library)[_owner(text)].requires_grad_()


def _weights(library: Any, like: Any) -> Any:
    return library.tensor(np.cos(np.arange(like.numel(), dtype="f4"))).reshape(like.shape)


def _recorded(library: Any, text: str) -> list[Any]:
    leaf = _leaf(library, text)
    base = _step(library, text, leaf)
    (base * _weights(library, base)).sum().backward()
    return [base.detach().numpy(), leaf.grad.numpy()]


@pytest.mark.parametrize("text", VIEWS)
def test_gradients_go_through_what_was_written(text: str) -> None:
    for found, wanted in zip(_recorded(ng, text), _recorded(torch, text), strict=True):
        np.testing.assert_allclose(found, wanted, 1e-6, 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    def run(*leaves: Any) -> list[Any]:
        out = []
        for text, leaf in zip(VIEWS, leaves, strict=True):
            base = _step(ng, text, leaf)
            (gradient,) = ng.autograd.grad((base * _weights(ng, base)).sum(), [leaf])
            out += [base, gradient]
        return out

    found = ng.compile(run, backend=backend)(*(_leaf(ng, text) for text in VIEWS))
    wanted = [array for text in VIEWS for array in _recorded(torch, text)]
    for i, (got, want) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(got.numpy(), want, 1e-6, 1e-6, err_msg=VIEWS[i // 2])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", ["v.unfold(0, 3, 1)", "v.as_strided((2, 3), (1, 1), 1)"])
def test_windows_that_overlap_are_read(text: str, backend: str) -> None:
    results = []
    for library in (torch, ng):

        def run(v: Any, library: Any = library) -> list[Any]:
            view = _view(library, text, {"v": v})
            (view * _weights(library, view)).sum().backward()
            return [view * 1, v.grad * 1]

        leaf = _operands(library)["v"].requires_grad_()
        wrapped = ng.compile(run, backend=backend) if library is ng else run
        results.append([t.detach().numpy() for t in wrapped(leaf)])
    for found, wanted in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(found, wanted, 1e-6)


def test_bits_are_not_read_as_other_numbers() -> None:
    x = ng.ones(2)
    with pytest.raises(RuntimeError, match=r"view\(int32\).*x\.to\(int32\)"):
        x.view(ng.int32)
    with pytest.raises(RuntimeError, match=r"view\(float64\)"):
        x.view(dtype=ng.float64)


def _at_a_tensor(library, write):
    x = library.zeros(3, 2)
    write(x, library.tensor(1))
    return x


def _assigned(x, k):
    x[k] += 1


def _in_place(x, k):
    x[k].add_(1)


def _kept_and_assigned(x, k):
    row = x[k]
    row.mul_(0)
    row.add_(3)
    x[k] = row


@pytest.mark.parametrize("write", [_assigned, _in_place, _kept_and_assigned])
def test_writes_to_what_a_tensor_without_axes_names(write):
    wanted = _at_a_tensor(torch, write).tolist()
    assert _at_a_tensor(ng, write).tolist() == wanted
    compiled = ng.compile(lambda x, k: write(x, k), backend="reference")
    x = ng.zeros(3, 2)
    if write is _in_place:
        with pytest.raises(ng.TraceError, match=r"Write x\[k\] = "):
            compiled(x, ng.tensor(1))
        assert x.tolist() == ng.zeros(3, 2).tolist()
    else:
        compiled(x, ng.tensor(1))
        assert x.tolist() == wanted

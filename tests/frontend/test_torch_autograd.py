"""Autograd, conversion and printing, as PyTorch has them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import autograd
from tests.frontend.parity import cases, check, evaluate, operands, plain, same

# Statements whose last expression is compared; operands are leaves that require grad.
PROGRAMS = cases(r"""
    (y * y).sum().backward(); y.grad
    (y * p).sum().backward(); (y * p).sum().backward(); y.grad
    a = (y * y).sum(); a.backward(retain_graph=True); a.backward(); y.grad
    a = (y * y).sum(); a.backward(); a.backward(); y.grad
    a = (y + p).t().reshape(-1)[2:].sum(); a.backward(); a.backward(); [y.grad, p.grad]
    a = y.unsqueeze(0); (a * a).sum().backward(); (a + p).mean().backward(); [y.grad, p.grad]
    a = y.exp().sum(); a.backward(); a.backward()
    a = y.exp(); (a * a).sum().backward(); (a * a).sum().backward(); y.grad
    a = y.expand(1, 3, 4) * 1; a.expand(1, 1, 3, 4).mul_(p); a.sum().backward(); [y.grad, p.grad]
    a = y * 2; a.t_(); a.mul_(p.t()); a.unsqueeze_(0); (a * a).sum().backward(); [y.grad, p.grad]
    a = y * 2; c2 = a[0]; c2.unsqueeze_(1); c2.mul_(3); (a.t_() * p.t()).sum().backward(); y.grad
    a = y.exp(); m.autograd.grad(a.sum(), a); a.sum().backward(); y.grad
    a = (y * y).sum(); m.autograd.grad(a * a, a); m.autograd.grad(a, y); a.backward()
    m.copysign(y.detach(), p).sum().backward(); p.grad
    (y * y).backward(); y.grad
    (y * y).backward(p.detach()); y.grad
    (y * y).backward(gradient=m.ones(3, 4)); y.grad
    (y * y).backward(m.ones(4)); y.grad
    y.detach().sum().backward()
    m.ones(2).backward()
    y.sum().backward(); y.grad = None; (2 * y).sum().backward(); y.grad
    y.sum().backward(); y.grad.zero_(); y.grad
    y.grad = m.ones(2); y
    y.requires_grad_(False); y.requires_grad
    (y + 1).requires_grad_(False)
    m.tensor([1, 2]).requires_grad_()
    m.ones(2).requires_grad_().requires_grad
    y.requires_grad = False; y.requires_grad
    y.add_(1)
    y[0] = 1; y
    y[0].mul_(2)
    y.detach().mul_(2); y
    a = y * 2; a.add_(1); a.sum().backward(); y.grad
    a = y * 2; a.relu_(); a.sum().backward(); y.grad
    a = y * 2; a[0] = p[0]; a.sum().backward(); [y.grad, p.grad]
    a = y * 2; a[:, 1] *= p[:, 1]; (a * a).sum().backward(); [y.grad, p.grad]
    a = y * 2; c2 = a.view(-1); c2[::3] = 0; (a * p).sum().backward(); y.grad
    a = y * 2; c2 = a.t(); a.mul_(p); (c2 * c2).sum().backward(); [y.grad, p.grad]
    a = y * 2; c2 = a[0]; c2.pow_(2); a.sum().backward(); y.grad
    a = y * 2; c2 = a[1:]; a.zero_(); c2.sum().backward(); y.grad
    a = y * 2; a.zero_(); a.sum().backward(); y.grad
    a = m.zeros(3, 4); a[1] = y[0] * 2; a[2] = a[1] * p[0]; a.sum().backward(); [y.grad, p.grad]
    a = y.exp(); a.detach().zero_(); a.sum().backward()
    a = y * p; p.detach().zero_(); a.sum().backward()
    a = y + p; p.detach().zero_(); a.sum().backward(); y.grad
    a = y * 3; p.data.zero_(); a.sum().backward(); y.grad
    m.autograd.grad((y * p).sum(), y)
    m.autograd.grad((y * p).sum(), [y, p])
    m.autograd.grad(y.sum(), p)
    m.autograd.grad(y.sum(), [y, p], allow_unused=True)
    m.autograd.grad(y.sum(), [y, p], materialize_grads=True)
    m.autograd.grad(y * 2, y, grad_outputs=p.detach())
    m.autograd.grad(y * 2, y)
    m.autograd.grad([y.sum(), (y * p).sum()], [y, p])
    a = y * 2; m.autograd.grad((a * a).sum(), a)
    a = m.autograd.grad((y**4).sum(), y, create_graph=True)[0]; m.autograd.grad(a.sum(), y)
    a = m.autograd.grad((p.log() * y**3).sum(), y, create_graph=True)[0]; c2 = \
        m.autograd.grad(a.sum(), y, create_graph=True)[0]; c2.sum().backward(); [y.grad, \
        p.grad]
    a = m.autograd.grad(y.sin().sum(), y, create_graph=True)[0]; a = m.autograd.grad(a.sum(), \
        y, create_graph=True)[0]; m.autograd.grad(a.sum(), y)
    a = m.autograd.grad(y.softmax(1)[:, 0].sum(), y, create_graph=True)[0]; (a * \
        a).sum().backward(); y.grad
    a = m.autograd.grad((y @ y.t()).tanh().sum(), y, create_graph=True)[0]; (a * \
        p).sum().backward(); [y.grad, p.grad]
    (y**3).sum().backward(create_graph=True); a = y.grad; y.grad = None; a.sum().backward(); y.grad
    y.is_leaf, (y + 1).is_leaf, (y + 1).requires_grad, (y + 1).detach().requires_grad
    y.argmax().requires_grad, (y > 0).requires_grad, y.long().requires_grad, \
        y.sort().indices.requires_grad
    y.grad_fn is None, (y * 2).grad_fn is None
    y.clone().requires_grad, y.double().requires_grad, y.data.requires_grad
    y.numpy()
    np.asarray(y.detach()).shape
    m.tensor(3.0, requires_grad=True) * 2 + 1
""")


def run(library, text):
    given = operands(library, text, grad=True)
    return plain(evaluate(library, text, given))


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("text", PROGRAMS)
def test_programs(text):
    try:
        wanted = run(torch, text)
    except (RuntimeError, TypeError) as error:
        with pytest.raises(type(error)):
            run(ng, text)
        return
    same(run(ng, text), wanted)


@pytest.mark.parametrize("library", [torch, ng])
def test_grad_modes_as_contexts_and_decorators(library):
    w = library.tensor([2.0], requires_grad=True)

    @library.no_grad()
    def called(x):
        return x * w

    @library.no_grad
    def bare(x):
        return x * w

    @library.enable_grad()
    def enabled(x):
        return x * w

    assert not called(w).requires_grad
    assert not bare(w).requires_grad
    with library.no_grad():
        assert not (w * 2).requires_grad
        assert enabled(w).requires_grad
        with library.enable_grad():
            assert (w * 2).requires_grad
        with library.set_grad_enabled(True):
            assert library.is_grad_enabled()
        assert not library.is_grad_enabled()
    assert (w * 2).requires_grad


REPRS = cases(r"""
    m.tensor([1, 2, 3])  m.tensor([1.0, 2.0])  m.tensor([1.5, -2.25])  m.tensor(3.0)  m.tensor(7)
    m.tensor([])  m.zeros(0, 3)  m.tensor([True, False])  m.tensor([[1, -2], [30, 4]])
    m.tensor(True)
    m.tensor([1e10, 1.0])  m.tensor([1e-7, 1.0])  m.tensor([0.0001, 0.001])  m.tensor([1e5, 1.5])
    m.tensor([float('nan'), 1.0])  m.tensor([float('inf'), -1.5])  m.tensor([1.0], dtype=m.float64)
    m.tensor([1, 2], dtype=m.int32)  m.tensor([1.5], dtype=m.float16)  m.ones(2, 3)
    m.zeros(2, 2, 2)
    m.tensor([1.0, 2.0], requires_grad=True)  m.tensor([123456.0, 0.5])
    m.tensor([0.1, 22.33, 333.444])
    m.tensor(0.123456789)  m.tensor(1e-9)  m.tensor([1e8, 2e8])  m.tensor(1234567.0)  m.arange(2000)
    m.arange(30).view(5, 6) * 1.0  m.arange(30)  m.tensor([-1.0, 2.5])  m.tensor(-0.0)
    m.tensor([1.5], dtype=m.bfloat16)  m.zeros(2, 0, 3)  m.tensor([], dtype=m.int64)
    m.arange(1200.0)
    m.tensor([[1.0, 1e-5], [2.0, 1e4]])  m.zeros(1, 3)  m.tensor([2**40, 1])
    m.ones(3, 4, dtype=m.bool)
""")


@pytest.mark.parametrize("text", REPRS)
def test_repr(text):
    wanted = repr(evaluate(torch, text, {})).replace("torch.", "nngraph.")
    assert repr(evaluate(ng, text, {})) == wanted


def test_repr_of_results_names_their_operator():
    x = ng.tensor([1.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"
    assert str(ng.ones(2).shape) == "nngraph.Size([2])"


def test_memory_is_shared_with_numpy_and_torch():
    array = np.zeros(3, np.float32)
    shared = ng.from_numpy(array)
    shared += 1
    assert array.tolist() == [1, 1, 1]
    array[0] = 5
    assert shared.tolist() == [5, 1, 1]
    assert shared.numpy() is array or np.shares_memory(shared.numpy(), array)
    other = torch.from_dlpack(shared)
    other[1] = 7
    assert shared.tolist() == [5, 7, 1]
    back = ng.from_dlpack(torch.arange(3.0))
    assert back.tolist() == [0, 1, 2]
    assert np.from_dlpack(shared).tolist() == [5, 7, 1]
    assert np.asarray(shared, dtype=np.float64).dtype == np.float64
    assert ng.tensor(array).numpy() is not array
    copied = ng.tensor(array)
    array[:] = 0
    assert copied.tolist() == [5, 7, 1]


def test_a_tensor_that_requires_grad_is_not_converted():
    x = ng.ones(2, requires_grad=True)
    for convert in (lambda: x.numpy(), lambda: np.asarray(x), lambda: x.__dlpack__()):
        with pytest.raises((RuntimeError, BufferError), match=r"requires? grad"):
            convert()
    assert np.asarray(x.detach()).tolist() == [1, 1]


def test_numpy_operands_on_the_left():
    x = ng.tensor([1.0, 2.0])
    out = np.float32(2) * x
    assert isinstance(out, ng.Tensor) and out.tolist() == [2, 4]


def test_copies():
    x = ng.tensor([1.0, 2.0], requires_grad=True)
    x.grad = ng.ones(2)
    deep, shallow = copy.deepcopy(x), copy.copy(x)
    assert deep.requires_grad and deep.grad.tolist() == [1, 1]
    with ng.no_grad():
        x.zero_()
    assert deep.tolist() == [1, 2]
    assert shallow.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(x * 2)
    again = pickle.loads(pickle.dumps(deep))
    assert again.tolist() == [1, 2] and again.requires_grad


def test_tensors_are_keys_by_identity():
    x, y = ng.ones(2), ng.ones(2)
    assert len({x: 1, y: 2}) == 2
    assert {x: 1}[x] == 1


def test_shape_errors_are_runtime_errors_that_name_sizes():
    with pytest.raises(RuntimeError, match=r"\[2, 3\].*\[4, 5\]"):
        ng.ones(2, 3) + ng.ones(4, 5)
    with pytest.raises(RuntimeError, match="matmul"):
        ng.ones(2, 3) @ ng.ones(2, 3)


def test_autograd_namespace():
    assert set(autograd.__all__) <= set(dir(autograd))
    check("m.promote_types(m.uint8, m.int8)")


def test_backward_of_a_leaf_itself():
    for library in (torch, ng):
        w = library.ones(2, requires_grad=True)
        for _ in range(2):
            w.backward(library.tensor([2.0, 3.0]))
        np.testing.assert_array_equal(w.grad.numpy(), [4.0, 6.0])

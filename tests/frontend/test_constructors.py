"""PyTorch's constructors of old, types of tensors, memory, and how tensors print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.errors import ConcretizationError
from tests.frontend.parity import attempt, plain, same

TEXTS = """
    m.Tensor()
    m.Tensor(2, 3).shape
    m.Tensor([1, 2])
    m.Tensor((1, 2))
    m.Tensor(m.Size([2, 1])).shape
    m.Tensor(np.arange(3))
    m.Tensor(np.ones((2, 0)))
    m.Tensor(y)
    m.Tensor(i)
    m.Tensor(i) is i
    m.Tensor(5).shape
    m.Tensor(0)
    m.Tensor(2.5)
    m.Tensor(m.tensor(3))
    m.Tensor([s, 2.5])
    m.Tensor(None)
    m.Tensor('a')
    m.Tensor(-1)
    m.Tensor(range(3))
    m.Tensor([True, False])
    m.Tensor([[1, 2], [3]])
    m.Tensor(2, 'a')
    m.Tensor([1], [2])
    m.Tensor(y.requires_grad_() * 2).requires_grad
    (m.Tensor(y.requires_grad_()) * 2).sum().backward(); y.grad
    (m.FloatTensor(y.requires_grad_() * 3) * 2).sum().backward(); y.grad
    (y.new(y.requires_grad_()) * 2).sum().backward(); y.grad
    m.Tensor(y.requires_grad_()[1:] * 2)[0].sum().backward(); y.grad
    m.FloatTensor()
    m.FloatTensor(2, 3).shape
    m.FloatTensor([1, 2])
    m.FloatTensor(np.ones(2))
    m.FloatTensor(y)
    m.FloatTensor(i)
    m.FloatTensor([1], device='cpu')
    m.FloatTensor([1], device='cuda')
    m.FloatTensor(2.5)
    m.FloatTensor('a')
    m.FloatTensor([[1, 2], [3, 4]])
    m.LongTensor([1.5, 2])
    m.LongTensor((1, 2))
    m.LongTensor(np.array([1.5]))
    m.LongTensor(range(3))
    m.LongTensor(3).shape
    m.LongTensor(y)
    m.LongTensor(i)
    m.ByteTensor([1, 0, 255])
    m.ByteTensor([True, False])
    m.ByteTensor([256])
    m.BoolTensor([1, 0, 2])
    m.HalfTensor([1.5])
    m.BFloat16Tensor([1.5])
    m.CharTensor([-1]), m.ShortTensor([3]), m.IntTensor([3]), m.DoubleTensor([3])
    m.FloatTensor.dtype, m.BoolTensor.dtype, m.FloatTensor.is_cuda, m.FloatTensor.__name__
    isinstance(y, m.FloatTensor), isinstance(y, m.LongTensor), isinstance(i, m.LongTensor)
    isinstance(3, m.LongTensor), isinstance(b, m.BoolTensor), isinstance(d, m.DoubleTensor)
    isinstance(m.nn.Parameter(y), m.FloatTensor), issubclass(m.FloatTensor, m.Tensor)
    isinstance(m.Tensor([1]), m.FloatTensor), isinstance(h, (m.HalfTensor, m.LongTensor))
    m.FloatTensor is m.FloatTensor, m.FloatTensor == m.DoubleTensor, len({m.IntTensor: 1})
    y.type(), i.type(), b.type(), m.nn.Parameter(y).type(), y.type(None), i.to(m.uint16).type()
    y.type(m.int64), i.type('torch.FloatTensor'), b.type(m.IntTensor), y.type(dtype=m.float16)
    y.type(m.float32) is y, y.type(m.FloatTensor) is y, y.type(m.Tensor) is y
    y.type(m.float64, True).dtype, y.type(dtype='torch.ByteTensor', non_blocking=False).dtype
    y.type('float')
    y.type('torch.float32')
    y.type('FloatTensor')
    y.type('torch.cuda.FloatTensor')
    y.type(float)
    y.type(3)
    y.type(m.nn.Parameter)
    y.type(m.float32, True, 3)
    y.requires_grad_().type(m.float64).sum().backward(); (y.grad, y.grad.dtype)
    m.nn.Linear(2, 2).type('torch.DoubleTensor').weight.type()
    m.nn.Linear(2, 2).type(m.HalfTensor).bias.dtype
    m.nn.Linear(2, 2).type('double')
    m.nn.LazyLinear(2).type(m.float64)
    t = y.clone(); r = t.resize_(2, 2); (t, r is t)
    t = y.clone(); u = t.view(4, 3); t.resize_(2).fill_(9); (t, u)
    t = y.clone(); u = t[1]; u.resize_(6).fill_(7); (t, u)
    t = y.clone(); u = t.t(); u.resize_((2, 3)); u
    t = y.clone(); t.resize_(5, 4)[:3]
    t = y.clone(); t.resize_(5, 4).shape
    t = m.zeros(0); t.resize_(2, 3).fill_(1)
    t = y.clone(); t.resize_as_(i[:2, :2])
    t = y.clone(); m.resize_as_(t, i[0])
    y.requires_grad_().resize_(2)
    y.clone().resize_(-1)
    m.range(1, 4), m.range(1, 2, 0.3), m.range(1, 4, dtype=m.int64), m.range(4, 1, -1)
    m.range(1, 1)
    m.range(4, 1)
    m.range(0, 1, 0)
    m.range(3)
    m.range(0, float('inf'))
    m.range(0, 2, requires_grad=True).requires_grad
    m.fill(y, m.ones(2))
    m.nuclear_norm(y[0])
    m.nuclear_norm(y, (0, 1, 1))
    m.nuclear_norm(y.view(2, 2, 3), (0, 2)), m.nuclear_norm(y.view(2, 2, 3), (2, 0), True)
    m.norm_except_dim(y[0]), m.frobenius_norm(y, dim=1, keepdim=True)
    m.is_anomaly_enabled(), m.is_anomaly_check_nan_enabled()
    m.set_anomaly_enabled(True, False); m.is_anomaly_enabled(), m.is_anomaly_check_nan_enabled()
    m.set_anomaly_enabled(False); m.is_anomaly_enabled(), m.is_anomaly_check_nan_enabled()
    t = y.requires_grad_().exp(); (t.output_nr, y.output_nr, y.name)
    m.gcd_(i.clone(), i), m.lcm_(i.clone(), i), m.ldexp_(y.clone(), y.long())
    y.new(), i.new().dtype
    y.new(2, 3).shape
    y.new([1, 2])
    i.new([1.5])
    i.new([1, 2])
    y.new(i)
    y.new(y)
    i.new(2).dtype
    y.new(m.Size([2])).shape
    y.new(np.ones(2))
    y.new(2.5)
    m.set_default_tensor_type(m.DoubleTensor); m.tensor(1.5)
    m.set_default_tensor_type('torch.DoubleTensor'); m.Tensor([1])
    m.set_default_tensor_type(m.DoubleTensor); m.Tensor(y)
    m.set_default_tensor_type(m.LongTensor); 1
    m.set_default_tensor_type('torch.cuda.FloatTensor'); 1
    m.set_default_tensor_type(3); 1
    m.set_default_tensor_type(m.float64); 1
    t = y.clone(); r = t.apply_(lambda v: v * 2); (t, r is t)
    i.clone().apply_(lambda v: v + 0.5)
    b.clone().apply_(lambda v: not v)
    e.clone().apply_(lambda v: 1 / 0)
    y.t().clone().t().apply_(lambda v: v * 2)
    y.apply_(3)
    y.requires_grad_().apply_(lambda v: v)
    t = y.clone(); t.map_(p, lambda v, w: v + 2 * w); t
    y.clone().map_(v, lambda v, w: v * w)
    y.clone().map_(i, lambda v, w: v * w)
    y.map_(p.requires_grad_(), lambda v, w: v * w)
    y.map_(z, lambda v, w: v * w)
    y.clone().map2_(p, y, lambda u, v, w: u + v * w)
    y.data_ptr() == y.detach().data_ptr(), y[1].data_ptr() - y.data_ptr()
    y.clone().data_ptr() == y.data_ptr(), y.storage_offset(), y[1, 2:].storage_offset()
    y.t()[1:].storage_offset(), y[1:][1:].storage_offset(), y.flatten()[3:5].storage_offset()
    m.is_storage(y), m.is_storage(3)
    m.typename(y), m.typename(3), m.typename('a'), m.typename(i), m.typename(m.nn.Parameter(y))
    m.typename(m.nn.Linear(1, 1)).rpartition('.')[2], m.typename(len), m.typename(int)
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8)
    m.frombuffer(bytearray(b'abcdefgh'), dtype=m.int16, count=2, offset=2)
    m.frombuffer(bytearray(b'abcde'), dtype=m.int16)
    m.frombuffer(bytearray(b'abcde'), dtype=m.int16, count=2)
    m.frombuffer(bytearray(b'abcde'), dtype=m.int16, offset=1)
    m.frombuffer(bytearray(b''), dtype=m.int8)
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8, count=0)
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8, count=9)
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8, offset=4)
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8, offset=-1)
    m.frombuffer(bytearray(b'abcd'))
    m.frombuffer(bytearray(b'abcd'), dtype=m.float32, requires_grad=True).requires_grad
    m.frombuffer(bytearray(b'abcd'), dtype=m.int8, requires_grad=True)
    m.frombuffer(np.ones(2), dtype=m.float64)
    b = bytearray(b'abcd'); t = m.frombuffer(b, dtype=m.uint8); t[0] = 65; b
    m.autograd.Variable(y)
    m.autograd.Variable(y) is y
    m.autograd.Variable(y, requires_grad=True).requires_grad
    m.autograd.Variable(y, True).is_leaf, m.autograd.Variable(y, volatile=True).requires_grad
    m.autograd.Variable(3)
    m.autograd.Variable([1.0])
    m.autograd.Variable()
    isinstance(y, m.autograd.Variable), isinstance(3, m.autograd.Variable)
    m.autograd.Variable(i, requires_grad=True)
    m.autograd.Variable(y.requires_grad_()).requires_grad
    t = m.autograd.Variable(y.requires_grad_() * 2, requires_grad=True); (t.is_leaf, t.grad_fn)
    t = m.autograd.Variable(y, requires_grad=True); t.data[0] = 9; (y, y.requires_grad)
    t = m.autograd.Variable(y, requires_grad=True); (t * t).sum().backward(); (t.grad, y.grad)
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    for library in (torch, ng):
        library.set_default_dtype(library.float32)
        library.set_printoptions(profile="default")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", [line.strip() for line in TEXTS.strip().splitlines()])
def test_as_in_pytorch(text: str) -> None:
    wanted, error = attempt(torch, text)
    got, raised = attempt(ng, text)
    if error is None:
        assert raised is None, raised
        same(plain(got), plain(wanted))
    else:
        assert isinstance(raised, type(error)), (
            f"PyTorch raises {error!r}, nngraph {raised or got!r}"
        )


def test_memory_is_shared_as_in_pytorch() -> None:
    for library in (torch, ng):
        x = library.ones(3)
        for made in (library.Tensor(x), library.FloatTensor(x), x.new(x)):
            made[0] += 1
        assert x.tolist() == [4.0, 1.0, 1.0]


def test_bytes_cannot_be_written_to() -> None:
    fixed = ng.frombuffer(b"abcd", dtype=ng.uint8)
    with pytest.raises(RuntimeError, match="read-only"):
        fixed[0] = 1


def test_there_are_no_storages() -> None:
    for name in ("storage", "untyped_storage"):
        with pytest.raises(NotImplementedError, match="data_ptr"):
            getattr(ng.ones(2), name)()


@pytest.mark.parametrize("backend", ["reference", "onnx", "tvm"])
def test_in_compiled_functions(backend: str) -> None:
    def made(x: Any) -> Any:
        kinds = isinstance(x, ng.FloatTensor), isinstance(x, ng.LongTensor)
        assert kinds == (True, False) and isinstance(x, ng.autograd.Variable)
        return x + ng.FloatTensor([1, 2]), x.new([3, 4]) * x, ng.autograd.Variable(x) + x.new(2)

    compiled = ng.compile(made, backend=backend)
    x = ng.tensor([1.0, 2.0])
    assert [t.tolist() for t in compiled(x)] == [t.tolist() for t in made(x)]


@pytest.mark.parametrize("name", ["data_ptr", "storage_offset"])
def test_addresses_are_not_there_in_a_trace(name: str) -> None:
    with pytest.raises(ConcretizationError, match=name):
        ng.compile(lambda x: x * getattr(x, name)(), backend="reference")(ng.ones(2))
    with pytest.raises(ConcretizationError, match="apply_"):
        ng.compile(lambda x: (x + 1).apply_(abs), backend="reference")(ng.ones(2))


# -- printing ----------------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {},
    {"precision": 2},
    {"precision": 8},
    {"precision": 0},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 2, "linewidth": 40},
    {"threshold": float("inf")},
    {"linewidth": 30},
    {"linewidth": 200},
    {"profile": "short"},
    {"profile": "short", "precision": 6},
    {"profile": "full"},
    {"profile": "Default"},
    {"profile": "foo"},
    {"sci_mode": True},
    {"sci_mode": False},
    {"sci_mode": True, "precision": 1},
]
SHOWN: list[Any] = [
    [[1.123456789, 1000.5], [1e-3, 3.0]],
    [1.0, 2.0],
    [1, 2],
    [[True, False]],
    [1e10, float("nan"), float("inf")],
    np.arange(40),
    np.linspace(-1, 1, 60).reshape(3, 4, 5).astype("f4"),
    2.5,
    [],
    np.full((12, 12), 0.125, "f4"),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_printing(options: dict[str, Any]) -> None:
    for library in (torch, ng):
        library.set_printoptions(**options)
    for value in SHOWN:
        wanted, got = repr(torch.tensor(value)), repr(ng.tensor(value))
        assert got.replace("nngraph.", "torch.") == wanted.replace("nngraph.", "torch.")


def test_printing_goes_back_and_keeps_what_it_was_told() -> None:
    for library in (torch, ng):
        library.set_printoptions(precision=2)
        library.set_printoptions(sci_mode=True)
    assert repr(ng.tensor([1.5])) == repr(torch.tensor([1.5])) == "tensor([1.50e+00])"
    ng.set_printoptions(profile="default")
    assert repr(ng.tensor([1.5])) == "tensor([1.5000])"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"precision": "a"}, TypeError),
        ({"precision": -1}, ValueError),
        ({"edgeitems": 1.5}, TypeError),
        ({"linewidth": 0}, ValueError),
        ({"threshold": "a"}, TypeError),
    ],
)
def test_printing_refuses_at_once(options: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(options))):
        ng.set_printoptions(**options)
    assert repr(ng.tensor([1.5])) == "tensor([1.5000])"


@pytest.mark.filterwarnings("ignore:range is deprecated")
def test_a_step_of_range_that_is_none_of_integers() -> None:
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        ng.range(1, 2, 0.25, dtype=ng.int64)

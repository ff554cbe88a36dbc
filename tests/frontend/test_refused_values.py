"""Values that PyTorch does not take: the same error eagerly and from a compiled function's call.

A compiled function knows no values while it is traced, so the call fails, and nothing changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from tests.frontend.parity import cases, check
from tests.support.backends import BACKENDS

#: Where PyTorch 2.13 looks at values, each with what it refuses and what is just allowed.
LOSSES = cases(r"""
    F.binary_cross_entropy(m.tensor([1.5]), one)  F.binary_cross_entropy(m.tensor([-0.5]), one)
    F.binary_cross_entropy(m.tensor([float('nan')]), one)
    F.binary_cross_entropy(one / 2, one * 1.5)
    F.binary_cross_entropy(one / 2, -one)  F.binary_cross_entropy(one / 2, one * float('nan'))
    F.binary_cross_entropy(m.tensor([1.5]), one, reduction='none')  F.binary_cross_entropy(one, one)
    F.binary_cross_entropy(one * 1.5, one, reduction='sum')  F.binary_cross_entropy(one * 0, one)
    F.binary_cross_entropy(one[:0], one[:0])
    F.binary_cross_entropy(one[:0], one[:0], reduction='sum')
    F.binary_cross_entropy(one.half() * 2, one.half())
    F.binary_cross_entropy_with_logits(one * 1.5, one * 3)
    F.nll_loss(m.zeros(2, 3), m.tensor([0, 3]))  F.nll_loss(m.zeros(2, 3), m.tensor([0, -1]))
    F.nll_loss(m.zeros(2, 3), m.tensor([0, -100]))  F.nll_loss(m.zeros(3), m.tensor(5))
    F.nll_loss(m.zeros(2, 3, 2), m.tensor([[0, 1], [3, 0]]))
    F.cross_entropy(m.zeros(2, 3), m.tensor([0, 3]))
    F.cross_entropy(m.zeros(2, 3), m.tensor([0, -1]))
    F.cross_entropy(m.zeros(2, 3), m.tensor([0, 3]), label_smoothing=0.1)
    F.cross_entropy(m.zeros(2, 3), m.tensor([0, 3]), m.ones(3))
    F.cross_entropy(m.zeros(1, 3), m.tensor([[.5, .5, 2.]]))
    F.embedding(m.tensor([5]), m.zeros(3, 2))  F.embedding(m.tensor([-1]), m.zeros(3, 2))
    F.gaussian_nll_loss(m.zeros(2), m.zeros(2), m.tensor([1., -1.]))
    F.gaussian_nll_loss(m.zeros(2), m.zeros(2), -1.0)
    F.gaussian_nll_loss(m.zeros(2), m.zeros(2), 2.0)
    F.gaussian_nll_loss(m.zeros(2), m.zeros(2), m.tensor([0., float('nan')]))
    F.gaussian_nll_loss(m.zeros(2), m.zeros(2), m.ones(3))
    F.gaussian_nll_loss(m.zeros(2, 3), m.ones(2, 3), m.ones(2))
    F.gaussian_nll_loss(m.zeros(2, 3), m.ones(2, 3), m.ones(1, 3))
    F.gaussian_nll_loss(m.zeros(2, 3), m.ones(2, 3), m.ones(1, 1))
    F.poisson_nll_loss(m.zeros(2), m.tensor([-1., 2.]))
    F.one_hot(m.tensor([3]), 3)  F.one_hot(m.tensor([-1]), 3)
    F.dropout(m.ones(3), 1.5)  F.dropout(m.ones(3), -0.5)
""")

ELEMENTS = cases(r"""
    m.tensor([3, -1]).bincount()  m.tensor([3, 1]).bincount(m.ones(3))
    m.tensor([[3, 1]]).bincount()
    m.tensor([3., 1.]).bincount()  m.tensor([3, 1]).bincount(minlength=-1)
    m.zeros(3).masked_scatter(m.tensor([True, True, False]), m.ones(1))
    m.zeros(3).masked_scatter(m.tensor([True, True, False]), m.ones(2))
    m.zeros(3).masked_scatter(m.tensor([True, True, False]), m.ones(0))
    m.zeros(3).masked_scatter(m.tensor([False, False, False]), m.ones(0))
    m.ones(3).repeat_interleave(-1)  m.ones(3).repeat_interleave(m.tensor([1, -1, 2]))
    m.ones(3).repeat_interleave(m.tensor([1, 2]))
    m.ones(3).repeat_interleave(m.tensor([1., 2., 1.]))
    m.ones(3).repeat_interleave(m.tensor([1, 2, 1]), output_size=9)
    m.ones(3).repeat_interleave(m.tensor([1, 2, 1]), output_size=4)
    m.ones(3).repeat_interleave(m.tensor([2]))  m.ones(3).repeat_interleave(m.tensor(2))
    m.tensor([1]) // m.tensor([0])  m.tensor([1]) % m.tensor([0])  m.tensor([1]).fmod(m.tensor([0]))
    m.tensor([1]) // 0  m.tensor([1]) % 0  m.tensor([1]).div(0, rounding_mode='floor')
    m.tensor([1]).div(m.tensor([0]), rounding_mode='trunc')  m.tensor([1]) ** -1
    2 ** m.tensor([-1])
    m.tensor([1, 2]).item()  m.tensor([]).item()  bool(m.tensor([1, 2]))  bool(m.tensor([]))
    int(m.tensor([1.5, 2]))  int(m.tensor(float('nan')))  int(m.tensor(float('inf')))
    float(m.tensor([1, 2]))  m.tensor(1.5).__index__()  m.tensor(3).__index__()
    [1, 2, 3][m.tensor(1)]
    m.zeros(3).take(m.tensor([3]))  m.zeros(3).take(m.tensor([-4]))  m.zeros(3)[m.tensor([3])]
    m.zeros(3)[m.tensor(3)]  m.zeros(3).index_fill(0, m.tensor([3]), 1.0)
    m.ones(3).kthvalue(0)  m.ones(3).kthvalue(4)  m.ones(3).kthvalue(3)  m.ones(3).tensor_split(0)
    m.arange(0, float('nan'))  m.arange(0, float('inf'))  m.randperm(-1)  m.rand(-1)  m.randn(2, -1)
    m.randint(0, 2, (-1,))  m.randint(5, 3, (2,))
""")

#: A number is written, ``v``, into a tensor ``x``.
WRITES = cases(r"""
    x.fill_(v)  x.masked_fill(k, v)  m.where(k, x, v)  x.clamp(max=v)  x.clamp(min=v)
    x.index_fill(0, i, v)  x.scatter(0, i, v)  m.full((2,), v, dtype=x.dtype)  m.full_like(x, v)
    x.new_full((2,), v)  x.add(v)  x.eq(v)  m.tensor([v], dtype=x.dtype)  m.tensor(v, dtype=x.dtype)
    x.__setitem__(0, v)  x.__setitem__(k, v)
""")
NUMBERS = cases(r"""
    int8 1000  int8 -1000  int8 -128  uint8 300  uint8 -1  uint8 -255  uint8 -256  float16 70000.0
    float32 1e300  float32 float('inf')  float32 float('nan')  int64 1e30  int64 float('nan')
    int64 1.5  bool 5  int32 2**40  int64 2**63-1
""")

DATA = cases(r"""
    [2**63]  2**63  [2**64]  [-2**63]  [-2**63-1]  [2**63,-1]  [[1,2],[3]]  [[1,2],3]  [1,[2,3]]
    [None]  None  'abc'  ['a','b']  [object()]  object()  {}  {'a':1}  {1,2}  [{1}]  range(3)  (1,2)
    []  [[]]  [[],[]]  ()  b'abc'  [1,'a']  [True,2,3.5]  iter([1])  (x\ for\ x\ in\ [1])
    [[1.0,2**70]]
    [2**70,1.0]  [2**53+1,1]  np.array(['a'])  np.array([None])  np.array([300])
""")

LEGACY = cases(r"""
    m.Tensor([1, 2])  m.Tensor([[1, 2], [3, 4.5]])  m.Tensor(2, 3).shape  m.Tensor()
    m.Tensor(3).shape  m.Tensor(2, 3, 4, 5).shape  m.Tensor((2, 3))  m.Tensor(m.tensor([1., 2.]))
    m.Tensor(m.tensor([1, 2]))  m.Tensor(np.array([1, 2]))  m.Tensor(1.5)  m.Tensor('a')
    m.Tensor(None)  m.Tensor([None])  m.Tensor(-1)  m.Tensor(2, 'a')  m.Tensor(m.Size([2, 3])).shape
    m.Tensor([True, False])  m.nn.Parameter(m.Tensor(2, 2)).shape  isinstance(m.ones(1), m.Tensor)
    m.zeros(2).type()  m.zeros(2).double().type()  m.zeros(2).half().type()
    m.zeros(2).bool().type()
    m.zeros(2).bfloat16().type()  m.zeros(2).byte().type()  m.zeros(2).char().type()
    m.zeros(2).short().type()  m.zeros(2).int().type()  m.zeros(2).long().type()
    m.zeros(2, dtype=float).dtype  m.zeros(2).to(float).dtype  m.tensor(3, dtype=int).dtype
""")


def _with(text: str) -> str:
    return text.replace("F.", "m.nn.functional.").replace("one", "m.tensor([1.0])")


@pytest.mark.parametrize("text", [*map(_with, LOSSES), *ELEMENTS, *LEGACY])
@pytest.mark.filterwarnings("ignore")
def test_eager(text: str) -> None:
    check(text)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("text", WRITES)
def test_numbers_that_a_dtype_cannot_hold(text: str, number: str) -> None:
    dtype, value = number.split(" ", 1)
    operands = f"x = m.ones(2).to(m.{dtype}); k = m.tensor([True, False]); i = m.tensor([0]); "
    check(f"{operands}v = {value}; {text}")


@pytest.mark.parametrize("dtype", ["None", "m.uint8", "m.int64", "m.float32", "m.bool"])
@pytest.mark.parametrize("data", DATA)
def test_data_that_is_no_tensor(data: str, dtype: str) -> None:
    check(f"m.tensor({data.replace(chr(92), '')}, dtype={dtype})")


#: Programs of ``x[3]`` and ``i[1]``: what to call them with, right and wrong, and what is said.
COMPILED: dict[str, tuple[list[float], list[int], list[float], list[int], str]] = {
    "F.binary_cross_entropy(x, x)": ([0, 0.5, 1], [0], [0, 0.5, 1.5], [0], "all elements of input"),
    "F.binary_cross_entropy(x, x, reduction='none')": (
        [0, 0.5, 1],
        [0],
        [-0.5, 0.5, 1],
        [0],
        "all elements of input should be between 0 and 1",
    ),
    "F.binary_cross_entropy(x.sigmoid(), x)": (
        [0, 1, 1],
        [0],
        [0, 0, 9],
        [0],
        "of target should be",
    ),
    "F.gaussian_nll_loss(x, x, x)": ([1, 2, 3], [0], [1, 2, -3], [0], "var has negative"),
    "x.masked_scatter(x > 0, x[:2])": (
        [1, 0, 3],
        [0],
        [1, 2, 3],
        [0],
        "of source < number of ones",
    ),
    "5 // i": ([1, 2, 3], [2], [1, 2, 3], [0], "divided by zero"),
    "i % i": ([1, 2, 3], [2], [1, 2, 3], [0], "divided by zero"),
    "x.gather(0, i)": ([1, 2, 3], [2], [1, 2, 3], [-2], "gather: index -2 is out of range"),
    "x.index_select(0, i)": ([1, 2, 3], [2], [1, 2, 3], [3], "index 3 is out of range"),
    "x.scatter(0, i, 1.0)": ([1, 2, 3], [2], [1, 2, 3], [-1], "scatter: index -1 is out of range"),
    "x.index_add(0, i, x[:1])": ([1, 2, 3], [2], [1, 2, 3], [-3], "index_add: index -3"),
    "F.one_hot(i, 3)": ([1, 2, 3], [2], [1, 2, 3], [-7], "one_hot: index -7"),
    "F.embedding(i, x[:, None])": ([1, 2, 3], [2], [1, 2, 3], [-1], "-1"),
    "F.cross_entropy(x[None], i)": ([1, 2, 3], [2], [1, 2, 3], [3], "target 3 is out of range"),
    "F.nll_loss(x[None], i)": ([1, 2, 3], [2], [1, 2, 3], [-1], "index -1"),
}


def _value(library: Any, text: str, x: Any, i: Any) -> Any:
    functional = torch.nn.functional if library is torch else ng_functional
    return eval(text, {"F": functional, "x": x, "i": i})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", COMPILED)
def test_compiled(text: str, backend: str) -> None:
    right, place, wrong, elsewhere, message = COMPILED[text]
    calls = ng.tensor(0)

    @ng.compile(backend=backend)
    def function(x: Any, i: Any) -> Any:
        calls.add_(1)
        return _value(ng, text, x, i)

    for count in (1, 2):
        given = [torch.tensor(right, dtype=torch.float32), torch.tensor(place)]
        wanted = _value(torch, text, *given)
        found = function(*(ng.tensor(t.numpy()) for t in given))
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), 1e-6)
        given = [torch.tensor(wrong, dtype=torch.float32), torch.tensor(elsewhere)]
        with pytest.raises((RuntimeError, IndexError, ValueError)) as theirs:
            _value(torch, text, *given)
        with pytest.raises(theirs.type, match=message) as caught:
            function(*(ng.tensor(t.numpy()) for t in given))
        assert "at @ <string>:1" in str(caught.value)
        assert calls.item() == count


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_value_is_seen_where_only_gradients_are_used(backend: str) -> None:
    w = ng.tensor([0.5, 0.5], requires_grad=True)

    @ng.compile(backend=backend)
    def step(y: Any) -> None:
        ng_functional.binary_cross_entropy(w, y).backward()
        with ng.no_grad():
            w.sub_(w.grad * 0.1)
        w.grad = None

    step(ng.tensor([1.0, 0.0]))
    before = w.tolist()
    with pytest.raises(RuntimeError, match="all elements of target should be between 0 and 1"):
        step(ng.tensor([1.0, 7.0]))
    assert w.tolist() == before

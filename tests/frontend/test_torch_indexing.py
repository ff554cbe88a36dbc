"""Subscripts, index assignment, gather and scatter, as PyTorch has them."""

from __future__ import annotations

import pytest

from tests.frontend.parity import cases, check, check_compiled, check_gradients, valid

KEYS = cases(r"""
    0  1  -1  -2  2  -3  :  ...  None  0, 1  0, -1  0, 1, 2  0, 1, 2, 3  :, 1  :, -1  ..., 0
    ..., -1  0, ..., 1  ..., 1, ...  1:  :1  -1:  :-1  ::2  1::2  5:  :100  2:1  0:2:1  :, 1:
    :, ::2, 1:3  :, :, ::3  ..., ::2  -100:100  ::-1  ::0  0:0  :, 1:1  None, 0  0, None  :, None
    ..., None  None, ..., None  0, None, 1  None, None  True  False  1.0  'a'
    None, 1, None, :, None  0, None, ::2, None  [0]  [1, 0]  [0, 1, 1]  [-1]  [0, 5]  []  [0], [1]
    [0, 1], [2, 0]  [0, 1], [2, 0], [3, 1]  :, [0, 2]  :, [0, 2], [1, 3]  :, :, [0, 0]
    [0, 1], :, [1, 2]  0, [1, 2]  [1], 0  0, :, [1, 2]  [0, 1], :, 1  [0, 1], None, [1, 2]
    None, [0, 1]  ..., [1, 2]  [0, 1], ...  [0, 1], ..., [0, 1]  1:, [0, 1]  [0, 1], 1:
    [0, 1], 1:, [0, 1]  [[0], [1]], [0, 2]  [[0], [1]], [[0, 2]]  [0, 1], [0, 1, 2]
    :, [[0, 1], [2, 0]]  ::2, [0, 1], 1::2  pair  pair, pair  pair, :, pair  :, idx  :, neg  :, idx2
    :, idx, 1  :, idx, 1:3  0, idx  ..., idx  pair, ..., pair  i32 - 2  i0 - 1  :, i0  i0 - 1, :, i0
    None, pair  pair, None  idx - 5  idx + 5  np.array([0, 1])  np.array(1)  :, np.array([[0, 1]])
    np.int64(1)  np.array([0, 1]), np.array([1, 2])  s  y  range(2)  (0, 1)  slice(0, 1)
    slice(None, None, 2), 0  (slice(0, 2), 1)  Ellipsis, 1  (None, 0)  m.tensor([0, 1]), m.tensor(1)
    m.tensor([[1, 0]]), :, m.tensor([[0], [1]])  0, m.tensor([1]), :  m.tensor([], dtype=m.int64)
    :, m.tensor([], dtype=m.int64)  slice(i0, None)  :i0 - 1  m.tensor(True)
""")

MASKS = cases(r"""
    :, b  b3[:2]  :, b3  x > 0  :, b3, 1  ..., v > 0  [True, False]  b  0, b  b3
    [True, False], 0  None, x > 0  np.array([True, False])  x > 100  b3[:2], :, v > 9
    0, b3, [1, 2]
""")

GATHERS = cases(r"""
    y.index_select(0, idx)  y.index_select(1, idx)  y.index_select(0, idx2)  y.index_select(0, i0)
    y.index_select(0, idx + 5)  m.index_select(y, -1, idx)  y.index_select(2, idx)
    y.index_select(0, v)  y.gather(0, g)  y.gather(1, g)  y.gather(0, g + 5)  y.gather(1, g[:, :1])
    y.gather(0, idx)  y.gather(2, g)  m.gather(y, 0, g)  x.gather(1, g[None])  y.gather(0, g[:, :2])
    y.gather(0, g.int())  y.gather(0, g.float())  y.gather(1, y.argmax(1, keepdim=True))
    y.take_along_dim(g, 0)  y.take_along_dim(y.argsort(1), 1)
    m.take_along_dim(y, y.argmax(1, keepdim=True), dim=1)  y.take_along_dim(g[:1], 0)  y.take(idx)
    y.take_along_dim(g[:1, :1], 0)  y.take_along_dim(g[:, :1] - 1, 1)  y[:, :1].take_along_dim(g, 0)
    y[:1].take_along_dim(idx2.repeat(3, 2), 1)  y.take_along_dim(g[:, :3], 0)
    y.take_along_dim(g, 2)
    s.scatter(0, idx[1:2], s * 2)  s.scatter_add(0, idx[1:2], s)  v.scatter(0, idx[:1], s)
    v.scatter_reduce(0, idx[:1], s, 'mean')  v.scatter(0, i0, v)  s.scatter(0, i0 * 0, s * 3)
    v.index_add(0, i0 - 1, s)  s.index_add(0, i0 * 0, v[:1])  v.index_add(0, idx[:1], s)
    v.take_along_dim(g, 0)  y.take_along_dim(g.float(), 0)  v.gather(0, g)  v.scatter_add(0, g, p)
    v.scatter(0, g, 1.0)  v.gather(0, g[:0])  v.scatter_add(0, g[:0], p)  v.scatter(0, g[:0], 2.0)
    y.gather(0, g[:0])  y.scatter_reduce(0, g[:0], p, 'mean')  v.scatter_reduce(0, g[:0], p, 'sum')
    m.take(y, idx2)  y.scatter(0, g, p)  y.scatter(0, g, 1.5)  y.scatter(1, g[:, :1], 2)
    y.scatter(0, g + 5, p)  i.scatter(0, g, j)  y.scatter(0, g, i)  y.scatter(0, g, p[:1])
    m.scatter(y, 0, g[:1], p)  y.scatter(1, g[:, :1], p, reduce='add')
    y.scatter(1, g[:, :1], 2.0, reduce='multiply')  y.scatter(0, g, p, reduce='max')
    m.zeros(3, 4).scatter_(1, idx[:, None], 1)  m.zeros(3, 4).scatter(1, idx[:, None], 1.0)
    y.scatter_add(0, g, p)  y.scatter_add(1, g, p)  m.scatter_add(y, 0, g[:1, :2], p)
    y.scatter_add(0, g, d)  y.scatter_reduce(0, g, p, 'sum')  y.scatter_reduce(0, g, p, 'prod')
    y.scatter_reduce(0, g, p, 'amax')  y.scatter_reduce(0, g, p, 'amin')
    y.scatter_reduce(0, g, p, 'mean')  y.scatter_reduce(0, g, p, 'sum', include_self=False)
    y.scatter_reduce(0, g, p, 'amax', include_self=False)
    y.scatter_reduce(0, g, p, reduce='mean', include_self=False)  y.index_add(0, idx, p)
    y.index_add(0, idx, p, alpha=2)  y.index_add(1, idx, p[:, :3])  y.index_add(0, idx, p[:2])
    m.index_add(y, 0, idx, p)  y.index_copy(0, pair, p[:2])  y.index_copy(1, pair, p[:, :2])
    m.index_copy(y, 0, pair, p[:2])  y.index_fill(0, pair, 2)  y.index_fill(1, pair, s)
    m.index_fill(y, 0, pair, -1)  y.index_put((pair, idx[:2]), p[0, :2])
    y.index_put((idx, idx), v[:3], accumulate=True)  y.masked_select(b)  m.masked_select(y, b)
    x.masked_select(b)  y.masked_scatter(b, p)  y.nonzero()  b.nonzero()  b.nonzero(as_tuple=True)
    m.nonzero(i)  s.nonzero()  m.nn.functional.one_hot(idx)  y.fill_diagonal_(3)
    m.select_scatter(y, v, 0, 1)  m.slice_scatter(y, p[:1], 0, 1, 2)  y.argwhere()  m.argwhere(b)
    m.nn.functional.embedding(idx, y)  list(y)[1]  [t for t in v][2]  1.0 in v  v.tolist()
    y[1, 2].item()  y.item()  float(s)  int(s)  bool(s)  bool(y)  bool(e)  float(y)  int(i0)
    complex(s)  [1, 2, 3][i0]  range(i0)[1]  [1, 2][s]  y.tolist()  b.tolist()  s.tolist()
    e.tolist()  h.tolist()  len(e)  list(s)  round(s)  f'{s:.2f}'  f'{i0:d}'  '%.1f' % s  sum(v)
    max(v)  sorted(v)[0]  v[0] < v[1] or True  not s  s and 1  hash(y) == hash(y)  y is y  y in [y]
    abs(v)  divmod(i, 2)[1]  pow(y, 2)  math.floor(s)
""")

WRITES = cases(r"""
    0  -1  :  ...  0, 1  :, 1  ..., 0  1:  ::2  :, ::2, 1:3  None  0, None  [0]  [1, 0]
    [0, 1], [2, 0]  [0, 1], [2, 0], [3, 1]  :, [0, 2]  :, [0, 2], [1, 3]  [0, 1], :, [1, 2]
    0, [1, 2]  ..., [1, 2]  [0, 1], 1:, [0, 1]  pair  pair, :, pair  :, neg[:2]  i0 - 1
    np.array([0, 1])  0, 1, 2  5  x > 0  b3[:2]  :, b3  :, b  0, b  []  2:1
    [[0, 1], [1, 0]], [0, 2]  True  [True, False]  s  'a'  0:2, None, 1  pair, None, pair
    ..., v > 0  x > 100
""")

VALUES = ["5", "2.5", "True", "s", "v", "x[:1] * 1", "m.ones(7)"]

MORE_WRITES = cases(r"""
    x[x > 0] = m.arange(24.)[:(x > 0).sum()]; x  x[:, b] = m.ones(2, 7); x  x[x > 0] = m.ones(3); x
    i[0] = 2.7; i  i[0] = v; i  b[0] = 3; b  b[b] = False; b  x[0] += 1; x  x[:, idx] += 1; x
    x[x < 0] *= -1; x  x[0, :, [0, 2]] = m.arange(6.).view(2, 3); x
    x[[0, 1], :, [0, 2]] = m.arange(6.).view(2, 3); x  x[:, [0, 1]] = y[:2]; x
    x[[0, 0]] = m.stack([y, p]); x[1]  y[idx, idx] = v[:3]; y[1]  y[:] = d; y  y[...] = 0; y
    y[0] = y[1]; y  y[1:] = y[:-1].clone(); y  y[0, 0] = s; y  y[:, 0:1] = m.ones(3, 1); y
    y[0] = m.ones(1, 1, 4); y  y[0] = m.ones(2, 4); y  a = y.view(-1); a[::2] = 0; y
    a = y.t(); a[0] = m.arange(3.); y  a = y.t(); a[[0, 1]] = 5; y  a = y[1:, 1:]; a[a > 0] = 9; y
    a = x[0]; a[1][2] = 7; x  y[None, 0] = 3; y
""")


@pytest.mark.parametrize("key", KEYS + MASKS)
def test_reads(key):
    check(f"x[{key}]")


@pytest.mark.parametrize("key", KEYS)
def test_reads_compiled_and_differentiated(key):
    if valid(f"x[{key}]"):
        check_gradients(f"x[{key}]")
        if "i0" not in key or ("slice" not in key and ":i0" not in key):
            check_compiled(f"x[{key}]")


@pytest.mark.parametrize("key", MASKS)
def test_gradients_of_masked_reads(key):
    if valid(f"x[{key}]"):
        check_gradients(f"x[{key}]")


@pytest.mark.parametrize("key", WRITES)
def test_writes(key):
    for value in VALUES:
        check(f"x[{key}] = {value}; x")
        text = f"x = x * 1; x[{key}] = {value}; x"
        if valid(text):
            check_gradients(text)


@pytest.mark.parametrize("key", [k for k in WRITES if "b" not in k and ">" not in k])
def test_writes_compiled(key):
    for value in VALUES:
        if valid(f"x[{key}] = {value}; x") and "True" not in key:
            check_compiled(f"x[{key}] = {value}; x")


@pytest.mark.parametrize("text", GATHERS + MORE_WRITES)
def test_values_and_errors(text):
    check(text)


@pytest.mark.parametrize("text", [t for t in GATHERS if valid(t)])
def test_gradients(text):
    check_gradients(text)

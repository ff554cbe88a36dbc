"""Pointwise methods and operators, as PyTorch has them."""

from __future__ import annotations

import itertools

import pytest

import nngraph as ng
from nngraph.frontend.functional import pointwise
from tests.frontend.parity import cases, check, check_compiled, check_gradients, valid

UNARY = [
    *pointwise.__all__,
    *("isnan", "isinf", "isfinite", "logical_not", "nan_to_num", "neg", "signbit", "logit"),
]

BINARY = [
    "a + b",
    "a - b",
    "a * b",
    "a / b",
    "a // b",
    "a % b",
    "a == b",
    "a != b",
    "a < b",
    "a <= b",
    "a > b",
    "a >= b",
]

METHODS = cases(r"""
    y.add(p, alpha=2)  y.sub(p, alpha=0.5)  i.add(j, alpha=2)  i.add(j, alpha=0.5)
    y.div(p, rounding_mode='floor')  y.div(p, rounding_mode='trunc')
    i.div(j, rounding_mode='floor')  i.div(j, rounding_mode='trunc')
    i.div(2, rounding_mode='trunc')  y.div(p, rounding_mode='up')  p ** y  p.pow(2)  p.pow(0.5)
    2 ** y  2.5 ** y  y ** 2  y ** 3  y ** 0  i ** 2  i ** 0.5  i ** -1  2 ** j.abs()  p.pow(s)
    i.pow(i0)  m.pow(2, y)  y.fmod(p)  i.fmod(j)  y.remainder(0.7)  i.remainder(3)
    m.remainder(5, j)  y.maximum(p)  y.minimum(p)  i.maximum(y)  b.maximum(c)
    b.minimum(c)  b.fmax(c)  b.fmin(c)  b.maximum(y)  y.atan2(p)  y.hypot(p)  i.atan2(j)
    m.logaddexp(y, p)  m.logaddexp2(y, p)  m.maximum(y, s)  m.max(y, p)  m.min(y, p)  m.fmax(y, p)
    m.fmin(y, p)  m.xlogy(p, p)  m.float_power(i, 2)  m.heaviside(y, p)  y.lerp(p, 0.3)
    y.lerp(p, p)  m.lerp(y, p, 0.3)  m.addcmul(y, p, y, value=0.5)  m.addcdiv(y, p, p, value=-2)
    m.rsub(y, p)  y.clamp(-0.5, 0.5)  y.clamp(min=0)  y.clamp(max=0.1)  y.clamp()  y.clamp(p, p + 1)
    i.clamp(-1, 2)  i.clamp(0.5)  i.clamp(min=-1.5, max=2)  y.clip(0, 1)  y.clamp_min(0.2)
    y.clamp_max(0.2)  nans.clamp(0, 1)  nans.maximum(s)
    u8.clamp(max=-1)  u8.clamp(min=-1)  u8.clamp(-1, 300)  i32.clamp(max=2**31)
    i.clamp(max=2**63 - 1)  u8.clamp_min(-5)  u8.clamp(max=-1.0)  u8.clamp(2, 250)
    nans.nan_to_num(nan=2.0, posinf=9.0, neginf=-9.0)  nans.nan_to_num(1.0)  m.nan_to_num(nans)
    i.nan_to_num()  h.nan_to_num()  b.logical_and(c)  b.logical_or(c)  b.logical_xor(c)
    i.logical_and(j)  ~b  ~i  b & c  b | c  b ^ c  i & j  i | j  i ^ j  i & 3  3 & i  3 | i  3 ^ i
    b & True  b | 1  i << 2  i >> 1  i32 << i32  2 << i32  100 >> i32  y & p  ~y  b + c  b * c
    b - c  -b  b + 1  b * 2.0  b / c  b + True  1 - b  b - 1  u8 + 10  u8 - 10  u8 * 2  u8 / 2
    u8 // 2  -u8  u8 + 0.5  u8 + i0  u8 & 3  i / j  i / 2  2 / j  i // j  7 // j  7 % j  i % j
    7.5 // y  7.5 % y  -7 // j  y // 0.3  y % -0.3  1 / y  1 - y  3 * y  2.0 - i  True + y  y == 1
    1 == i  y != None  y == None  i == 'a'  1 < y  0.5 >= y  i > 0.5  y.eq(p)  y.ne(0)  m.lt(y, 0)
    m.eq(i, j)  y.equal(y)  m.equal(y, p)  m.allclose(y, y + 1e-7)  m.allclose(y, p)
    m.isclose(y, y + 1e-7)  m.isclose(nans, nans)  m.isclose(nans, nans, equal_nan=True)
    m.isclose(i, i)  y.allclose(y)  y.round(decimals=1)  +y  +b  m.positive(y)  abs(y)  i.abs()
    u8.sign()  b.sign()  i.floor()  i.round()  i.trunc()  i.ceil()  i.relu()  b.abs()  b.floor()
    i.exp()  b.sin()  i.sigmoid()  i.reciprocal()  i.square()  b.square()  i.isnan()  i.isinf()
    h.exp()  d.log()  h + y  h + s  h * 2.5  d * y  s + d  i + s  i0 + y  i0 + i32  s + i32  s * b
    b + i0  y + v  y + z  x + y  x * v  q + x  y + 'a'  y + None  y + [1.0]  v + np.float32(2)
    v * np.float64(2)  i32 + np.int64(3)  y.where(b, p)  m.where(b, y, p)  m.where(b, y, 0.0)
    m.where(b, 1.0, y)  m.where(b, i, 0.5)  m.where(b, 1, 2)  m.where(b, 1.0, 2)  m.where(b, i, y)
    m.where(b, d, s)  m.where(b, y, z)  m.where(y > 0, y, -y)  m.where(i, y, p)  m.where(b)
    y.masked_fill(b, 0)  y.masked_fill(b, s)  y.masked_fill(b, p)  y.masked_fill(i, 0)
    i.masked_fill(b, 1.5)  x.masked_fill(b, -1)  v.masked_fill(b, 0)  y.to(m.float64)  y.to(m.int32)
    y.to('cpu')  y.to('cpu', m.float64)  y.to(d)  y.to(dtype=m.float16)
    y.to(device='cpu', dtype=m.float64)  y.float()  i.double()  y.half()  y.bfloat16()  y.long()
    y.int()  y.bool()  y.short()  i.byte()  i.char()  y.type_as(d)  nans.bool()  y.clone()
    y.detach()  y.cpu()  m.tanh(y)  m.sigmoid(y)  m.relu(y)  m.exp(y)  m.abs(y)  m.clamp(y, 0, 1)
    m.add(y, 1)  m.sub(y, p, alpha=2)  m.mul(y, 2)  m.div(y, 2)  m.true_divide(i, 2)
    m.floor_divide(i, 2)  m.square(y)  m.logical_not(y)  m.bitwise_not(i)  m.sgn(y)
    y.is_floating_point()  m.is_floating_point(i)  m.is_tensor(y)  m.numel(y)
    m.nn.functional.softplus(y)  m.isneginf(nans)  m.isposinf(nans)
""")

INPLACE = cases(r"""
    y.add_(1); y  y.add_(p, alpha=2); y  y.sub_(p); y  y.mul_(2); y  y.div_(p); y  y.pow_(2); y
    y.neg_(); y  y.abs_(); y  p.sqrt_(); p  y.exp_(); y  y.relu_(); y  p.log_(); p  y.tanh_(); y
    y.sigmoid_(); y  y.floor_(); y  y.round_(); y  y.clamp_(-0.5, 0.5); y  y.clamp_min_(0); y
    y.clip_(0, 1); y  y.fill_(3); y  y.zero_(); y  y.copy_(d); y  y.copy_(v); y  y.copy_(x); y
    i.copy_(y); i  y.lerp_(p, 0.5); y  y.addcmul_(p, p, value=2); y  y.addcdiv_(p, p); y
    y.reciprocal_(); y  y.rsqrt_(); y  y.masked_fill_(b, 1); y  y += 1; y  y -= p; y  y *= 2; y
    y /= 2; y  y **= 2; y  y //= 0.3; y  y %= 0.3; y  i += 1; i  i += 0.5; i  i /= 2; i
    i.add_(y); i  i.mul_(0.5); i  i //= 2; i  i %= 3; i  b &= c; b  b |= c; b  b ^= c; b  i <<= 1; i
    i >>= 1; i  b += 1; b  u8 += 300; u8  y += d; y  i32 += i0; i32  v += y; v  y += v; y
    y.add_(x); y  s += v; s  h += y; h  i.sqrt_(); i  i.exp_(); i  b.mul_(i); b  y.fill_(s); y
    y.fill_(v); y  i.fill_(1.5); i  i.clamp_(0.5); i  y.sub_(1, alpha=2); y  y.remainder_(0.4); y
    y.floor_divide_(0.4); y  y.logical_not_(); y  i.bitwise_and_(j); i  y.lt_(0); y  y.erf_(); y
    y.sin_(); y  y.cos_(); y  y.square_(); y  y.nan_to_num_(); y  y.sign_(); y  y.trunc_(); y
    y.ceil_(); y  y.maximum(p); y  a = y; a += 1; y  a = y.detach(); a.add_(1); y
    a = y.data; a.mul_(2); y  a = y[0]; a.zero_(); y  a = y.t(); a.add_(1); y
    a = y.view(-1); a[3] = 9; y  a = y[1:]; c = a[:, 1]; c.fill_(7); y  a = y.clone(); a.zero_(); y
    a = y.reshape(2, 6)[1]; a.neg_(); y  a = y.T[1]; a += 5; y  a = y[None, ..., 1]; a.mul_(3); y
    a = y.flatten(); a.zero_(); y  a = y.expand(2, 3, 4); y.zero_(); a  a = y[0]; y.zero_(); a
    a = y.squeeze(); a.add_(1); y  a = y.unsqueeze(0); a.add_(1); y
    a = y.permute(1, 0); y.add_(1); a  a, c2 = y.split(2, 1); a.zero_(); y
    a = y.unbind(); a[1].zero_(); y  a = y.chunk(2, 1)[1]; a.zero_(); y
    a = y.narrow(1, 1, 2); a.zero_(); y  a = y.transpose(0, 1)[1:3]; a.fill_(2); y
    a = y.view(12)[::5]; a.fill_(2); y  a = y[idx]; a.zero_(); y
    a = y.t().reshape(-1); a.zero_(); y  a = y.t().contiguous(); a.zero_(); y  y.t().view(-1)
    a = y[:, 1]; y[1, 1] = 50; a  a = y[0]; d2 = y[:, 0]; a.add_(1); d2  y[0].add_(1); y
    y[:, 1:3] *= 2; y  y[b] = 0; y  y.diagonal().fill_(1); y  a = y.to(m.float32); a.zero_(); y
    a = y.float(); a += 1; y  a = y.contiguous(); a.zero_(); y  a = m.flatten(y); a += 1; y
    a = y.swapaxes(0, 1); a[0] = 1; y  a = y.movedim(0, 1); a[0] = 1; y
    a = y.view_as(z); a[0] = 1; y  a = y.unflatten(1, (2, 2)); a[0, 0, 1] = 5; y
    a = y.expand(3, 4); a.zero_(); y  a = y.expand(1, -1, 4); a.mul_(2); y
    a = y[:, :1].expand(3, 4); a.mul_(2)  a = y[:1].expand(2, 3, 4); a.mul_(2)
    a = y * 2; a.t_(); a  a = y * 2; a.unsqueeze_(0).squeeze_(0); a  a = y[0]; a.unsqueeze_(0); a
    y.t_(); y  y.unsqueeze_(0); y  y.squeeze_(); y  y.data = d; y
    y.data.fill_(2); y  y.detach_(); y  a = y; y = y + 1; a
""")

TYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name):
    for operand in ("y", "p", "nans", "i", "b", "h", "e"):
        check(f"{operand}.{name}()")
        check(f"m.{name}({operand})")
    check_gradients(f"p.{name}()")


@pytest.mark.parametrize("text", BINARY)
def test_operators_on_both_sides_and_all_kinds(text):
    kinds = ["y", "p", "s", "d", "h", "i", "j", "i0", "u8[0]", "b", "v", "2", "0.5", "True"]
    for a, b in itertools.product(kinds, kinds):
        if not (a[0].isalpha() or b[0].isalpha()) or (a, b) == ("True", "True"):
            continue
        case = text.replace("a ", f"{a} ").replace(" b", f" {b}")
        if "//" in text or "%" in text:
            case = case.replace(f" {b}", f" ({b} + 1)") if b in ("i", "b", "u8[0]") else case
        if "True" not in (a, b) and not (a[0].isdigit() and b[0].isdigit()):
            check(case)


@pytest.mark.parametrize("text", METHODS)
def test_methods(text):
    check(text)


@pytest.mark.parametrize("text", INPLACE)
def test_in_place(text):
    check(text)


def test_result_types_of_all_pairs():
    for a, b in itertools.product(TYPES, TYPES):
        for left, right in itertools.product(("[1, 2]", "1"), ("[1, 2]", "1")):
            check(f"m.result_type(m.tensor({left}, dtype=m.{a}), m.tensor({right}, dtype=m.{b}))")
        check(f"m.promote_types(m.{a}, m.{b})")
        check(f"(m.ones(2, dtype=m.{a}) + m.ones((), dtype=m.{b})).dtype")
    for a in TYPES:
        for number in ("True", "3", "2.5"):
            check(f"m.result_type(m.tensor([1, 2], dtype=m.{a}), {number})")
            check(f"m.result_type(m.tensor(1, dtype=m.{a}), {number})")
            check(f"m.ones(2, dtype=m.{a}) * {number}")


@pytest.mark.parametrize("text", [t for t in METHODS if valid(t)])
def test_gradients(text):
    check_gradients(text)


@pytest.mark.parametrize("text", [t for t in METHODS + INPLACE if valid(t)])
def test_compiled(text):
    check_compiled(text)


def test_namespaces_agree():
    assert ng.float is ng.float32

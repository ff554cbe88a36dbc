"""Counter-based random numbers: the same state gives the same numbers on every backend.

A state is uint32[3] = (key 0, key 1, draw).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from nngraph.ir.dims import Dim, SymDim, floordiv
from nngraph.ir.dtypes import DType, bfloat16, float16, float32, float64, uint32, uint64
from nngraph.ir.op import Array, O, Op, Sample, apply1
from nngraph.ir.types import Shape, TensorType
from nngraph.ops.broadcast import reshape
from nngraph.ops.core import need
from nngraph.ops.creation import constant, full, iota, zeros_like
from nngraph.ops.elementwise.arithmetic import add, mul, sub
from nngraph.ops.elementwise.comparison import bitwise_and, bitwise_xor, shift_right
from nngraph.ops.elementwise.select import cast
from nngraph.ops.elementwise.transcendental import cos, log, sin, sqrt
from nngraph.ops.family import operators_of
from nngraph.ops.philox import LOW_WORD, MULTIPLIERS, ROUNDS, key_steps, philox_words
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice, slice_axis

__all__ = ["Normal", "RandomBits", "Uniform", "advance", "normal", "random_bits", "uniform"]

_FRACTION: Final = {float16: 11, bfloat16: 8, float32: 24, float64: 53}  # bits of [0, 1)


def _check_state(op: str, state: TensorType) -> None:
    fits = state.dtype is uint32 and state.shape == (3,)
    need(fits, op, "the random state", state, "u32[3]: two words of the key and the draw counter")


def _size(shape: Shape) -> Dim:
    total: Dim = 1
    for d in shape:
        total = total * d
    return total


@dataclass(frozen=True)
class RandomBits(Op):
    """uint32 words of one draw from a state.

    The key is (state[0], state[1]), the counter (block, 0, state[2], 0); with n elements there are
    ceil(n/4) blocks, and element i is word i // blocks of block i % blocks.
    """

    shape: Shape
    name: ClassVar[str] = "random_bits"
    differentiable: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        _check_state(self.name, types[0])
        count = _size(self.shape)
        small = isinstance(count, SymDim) or count <= 1 << 34
        need(small, self.name, "the number of elements", count, "at most 2**34 in one draw")
        return (TensorType(uint32, self.shape),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        shape = TensorType(uint32, self.shape).static_shape
        return (philox_words(inputs[0], math.prod(shape)).reshape(shape),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """Ten rounds of integer arithmetic: 32 by 32 bit products in uint64."""
        (state,) = inputs
        count = _size(self.shape)
        if count == 0:
            return (full(0, uint32, self.shape, state),)
        blocks = floordiv(count + 3, 4)
        key0, key1, draw = (reshape(slice_axis(state, 0, i, 1), ()) for i in range(3))
        counter = iota(uint32, (blocks,), 0, state)
        zero = zeros_like(counter)
        words = [counter, zero, add(zero, draw), zero]
        for round_ in range(ROUNDS):
            step0, step1 = key_steps(round_)
            words = _round(words, _bumped(key0, step0), _bumped(key1, step1))
        return (reshape(slice(concat(words, 0), (0,), (count,)), self.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        state = np.asarray([1234, 2**32 - 5, 7], np.uint32)
        for shape in ((5,), (2, 3), (), (1,), (0, 4), (8,)):
            yield Sample(cls(shape), (state,), False)
        yield Sample(cls((4,)), (np.zeros(3, np.uint32),), False, "the paper's first test vector")


def _bumped(key: O, step: int) -> O:
    return add(key, full(step, uint32, (), key)) if step else key


def _round(words: list[Any], key0: Any, key1: Any) -> list[Any]:
    high0, low0 = _product(words[0], MULTIPLIERS[0])
    high1, low1 = _product(words[2], MULTIPLIERS[1])
    left = bitwise_xor(bitwise_xor(high1, words[1]), key0)
    right = bitwise_xor(bitwise_xor(high0, words[3]), key1)
    return [left, low1, right, low0]


def _product(word: O, factor: int) -> tuple[O, O]:
    """High and low word of a 64-bit product."""
    wide = cast(word, uint64)
    whole = mul(wide, full(factor, uint64, (), word))
    high = cast(shift_right(whole, full(32, uint64, (), word)), uint32)
    return high, cast(bitwise_and(whole, full(LOW_WORD, uint64, (), word)), uint32)


def _unit(state: O, shape: Shape, dtype: DType) -> O:
    """Uniform in [0, 1) with as many bits as the type holds; float64 joins two words."""
    bits = _FRACTION[dtype]
    if dtype is not float64:
        words = shift_right(random_bits(state, shape), full(32 - bits, uint32, (), state))
        return mul(cast(words, dtype), 2.0**-bits)
    words = random_bits(state, (2, *shape))
    high, low = (reshape(slice_axis(words, 0, i, 1), shape) for i in (0, 1))
    high = cast(shift_right(high, full(5, uint32, (), state)), float64)
    low = cast(shift_right(low, full(6, uint32, (), state)), float64)
    return mul(add(mul(high, 2.0**26), low), 2.0**-53)


def _unit_array(state: Array, shape: tuple[int, ...], dtype: DType) -> Array:
    bits, kind = _FRACTION[dtype], dtype.numpy
    if dtype is not float64:
        words = philox_words(state, math.prod(shape)).reshape(shape) >> np.uint32(32 - bits)
        return (words.astype(np.float32) * np.float32(2.0**-bits)).astype(kind)
    high, low = philox_words(state, 2 * math.prod(shape)).reshape((2, *shape))
    whole = (high >> np.uint32(5)).astype(kind) * 2.0**26 + (low >> np.uint32(6)).astype(kind)
    out: Array = whole * 2.0**-53
    return out


@dataclass(frozen=True)
class _Random(Op):
    differentiable: ClassVar[bool] = False
    shape: Shape
    dtype: DType

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        _check_state(self.name, types[0])
        need(self.dtype in _FRACTION, self.name, "the type", self.dtype.name, "a float type")
        return (TensorType(self.dtype, self.shape),)


@dataclass(frozen=True)
class Uniform(_Random):
    """Uniform in [low, high): low + (high - low) * u, u a multiple of 2**-24 (2**-53 in float64).

    float16 and bfloat16 take 11 and 8 bits, so that u stays below 1.
    """

    low: float
    high: float
    name: ClassVar[str] = "uniform"

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        shape = TensorType(self.dtype, self.shape).static_shape
        u = _unit_array(inputs[0], shape, self.dtype)
        scaled = (u * u.dtype.type(self.high - self.low)).astype(u.dtype)
        return (np.asarray(scaled + u.dtype.type(self.low), u.dtype),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        u = _unit(inputs[0], self.shape, self.dtype)
        scaled = u if self.high - self.low == 1 else mul(u, self.high - self.low)
        return (add(scaled, self.low) if self.low else scaled,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        state = np.asarray([1234, 5, 7], np.uint32)
        for shape, dtype in (((2, 3), float32), ((5,), float64), ((5,), float16), ((3,), bfloat16)):
            yield Sample(cls(shape, dtype, -1.0, 2.0), (state,), False)
        yield Sample(cls((), float32, 0.0, 1.0), (state,), False)
        yield Sample(cls((0, 2), float32, 0.0, 1.0), (state,), False)


@dataclass(frozen=True)
class Normal(_Random):
    """Mean 0, variance 1, by the method of Box and Muller; half precision through float32."""

    name: ClassVar[str] = "normal"

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        shape = TensorType(self.dtype, self.shape).static_shape
        count, wide = math.prod(shape), self._wide()
        u = _unit_array(inputs[0], (2, -(-count // 2)), wide)
        one = wide.numpy.type(1)
        radius = np.sqrt(np.log(one - u[0]) * wide.numpy.type(-2))
        angle = u[1] * wide.numpy.type(2 * math.pi)
        both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return (both[:count].reshape(shape).astype(self.dtype.numpy),)

    def _wide(self) -> DType:
        return float64 if self.dtype is float64 else float32

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (state,) = inputs
        count = _size(self.shape)
        half = floordiv(count + 1, 2)
        u = _unit(state, (2, half), self._wide())
        first, second = (reshape(slice_axis(u, 0, i, 1), (half,)) for i in (0, 1))
        radius = sqrt(mul(log(sub(1.0, first)), -2.0))
        angle = mul(second, 2 * math.pi)
        both = concat([mul(radius, cos(angle)), mul(radius, sin(angle))], 0)
        return (cast(reshape(slice(both, (0,), (count,)), self.shape), self.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        state = np.asarray([1234, 5, 7], np.uint32)
        for shape, dtype in (((2, 3), float32), ((5,), float64), ((5,), float16), ((3,), bfloat16)):
            yield Sample(cls(shape, dtype), (state,), False)
        yield Sample(cls((), float32), (state,), False)
        yield Sample(cls((0, 2), float32), (state,), False)


def random_bits(state: O, shape: Iterable[Dim]) -> O:
    """uint32 words of the state's current draw."""
    return apply1(RandomBits(tuple(shape)), state)


def uniform(
    state: O, shape: Iterable[Dim], dtype: DType = float32, low: float = 0.0, high: float = 1.0
) -> O:
    """Uniform numbers in [low, high)."""
    return apply1(Uniform(tuple(shape), dtype, low, high), state)


def normal(state: O, shape: Iterable[Dim], dtype: DType = float32) -> O:
    """Normal numbers of mean 0 and variance 1."""
    return apply1(Normal(tuple(shape), dtype), state)


def advance(state: O) -> O:
    """The state of the next draw."""
    return add(state, constant(np.asarray([0, 0, 1], np.uint32), state))


OPERATORS = operators_of(globals())

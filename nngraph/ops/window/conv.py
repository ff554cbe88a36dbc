"""Convolution and its two gradients, a closed family: each one's gradients are the other two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import float32
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import Shape, TensorType, TypeMismatch
from nngraph.ops.core import need, need_float, need_same_dtype
from nngraph.ops.window.convolve import convolve, input_gradient, weight_gradient
from nngraph.ops.window.sliding import Pairs, Sizes, Windows, need_windows

__all__ = ["Conv", "ConvInputGrad", "ConvWeightGrad", "conv", "conv_input_grad", "conv_weight_grad"]


@dataclass(frozen=True)
class _Convolution(Op):
    """Attributes of all three: one entry for each of the 1 to 3 spatial axes."""

    stride: Sizes
    padding: Pairs
    dilation: Sizes
    groups: int

    def windows(self, kernel: Sizes) -> Windows:
        return Windows(kernel, self.stride, self.padding, self.dilation)

    def _kernel(self, w: TensorType) -> Sizes:
        sizes = w.shape[2:]
        if not all(isinstance(k, int) for k in sizes):
            raise TypeMismatch(f"{self.name}: the weight is {w}; its kernel sizes must be numbers")
        return sizes  # type: ignore[return-value]

    def _output(self, x: TensorType, w: TensorType) -> TensorType:
        """The type of the convolution of x and w."""
        need_float(self.name, "the input", x)
        need_same_dtype(self.name, (x, w))
        need(w.rank == x.rank, self.name, "the weight", w, f"of rank {x.rank} as the input {x} is")
        counts = need_windows(self.name, self.windows(self._kernel(w)), x)
        channels = w.shape[1] * self.groups
        need(
            self.groups >= 1 and x.shape[1] == channels,
            self.name,
            "the input",
            x,
            f"of {channels} channels: weight {w} times {self.groups} groups",
        )
        filters = w.shape[0]
        need(
            not isinstance(filters, int) or filters % self.groups == 0,
            self.name,
            "the weight",
            w,
            f"of a number of filters that {self.groups} groups divide",
        )
        return x.with_shape((x.shape[0], filters, *counts))


@dataclass(frozen=True)
class Conv(_Convolution):
    """Cross-correlation of x[N, C, *S] with w[O, C/groups, *K], no bias (``torch.conv2d``).

    Sums are accumulated in float32 for float16 and bfloat16.
    """

    name: ClassVar[str] = "conv"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self._output(*types),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, w = inputs
        return (convolve(x, w, self.windows(w.shape[2:]), self.groups),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, w = inputs
        (g,) = grads
        return (
            lambda: conv_input_grad(g, w, x.aval.shape[2:], *_attributes(self)),
            lambda: conv_weight_grad(x, g, w.aval.shape[2:], *_attributes(self)),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w, _, note in _cases():
            yield Sample(cls(*attributes), (x, w), note=note)


@dataclass(frozen=True)
class ConvInputGrad(_Convolution):
    """(dy, w) -> dx[N, C, *size]: the adjoint of ``Conv`` in x, a transposed convolution."""

    size: Shape
    name: ClassVar[str] = "conv_input_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        dy, w = types
        need(w.rank >= 3, self.name, "the weight", w, "of rank 3 to 5")
        x = TensorType(dy.dtype, (dy.shape[0], w.shape[1] * self.groups, *self.size))
        wanted = self._output(x, w)
        need(dy == wanted, self.name, "dy", dy, f"{wanted}, the convolution's output for {x}")
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        dy, w = inputs
        size = TensorType(float32, self.size).static_shape
        return (input_gradient(dy, w, self.windows(w.shape[2:]), self.groups, size),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        dy, w = inputs
        (g,) = grads
        return (
            lambda: conv(g, w, *_attributes(self)),
            lambda: conv_weight_grad(g, dy, w.aval.shape[2:], *_attributes(self)),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w, dy, note in _cases():
            yield Sample(cls(*attributes, x.shape[2:]), (dy, w), note=note)


@dataclass(frozen=True)
class ConvWeightGrad(_Convolution):
    """(x, dy) -> dw[O, C/groups, *kernel]: the adjoint of ``Conv`` in w."""

    kernel: Sizes
    name: ClassVar[str] = "conv_weight_grad"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, dy = types
        need(
            x.rank >= 3 and dy.rank == x.rank,
            self.name,
            "the operands",
            f"{x} and {dy}",
            "of one rank from 3 to 5",
        )
        channels = x.shape[1] // self.groups
        w = TensorType(x.dtype, (dy.shape[1], channels, *self.kernel))
        wanted = self._output(x, w)
        need(dy == wanted, self.name, "dy", dy, f"{wanted}, the convolution's output for {x}")
        return (w,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, dy = inputs
        return (weight_gradient(x, dy, self.windows(self.kernel), self.groups),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, dy = inputs
        (g,) = grads
        return (
            lambda: conv_input_grad(dy, g, x.aval.shape[2:], *_attributes(self)),
            lambda: conv(x, g, *_attributes(self)),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for attributes, x, w, dy, note in _cases():
            yield Sample(cls(*attributes, w.shape[2:]), (x, dy), note=note)


_Attributes = tuple[Sizes, Pairs, Sizes, int]

# x, w, stride, padding, dilation, groups, note
_CASES: tuple[tuple[Sizes, Sizes, Sizes, Pairs, Sizes, int, str], ...] = (
    ((2, 3, 5, 6), (4, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, "3x3, same size"),
    ((1, 2, 6, 7), (2, 2, 3, 2), (2, 3), ((0, 1), (2, 0)), (1, 2), 1, "strides, lopsided, dilated"),
    ((2, 4, 4, 5), (6, 2, 1, 2), (1, 2), ((0, 0), (0, 0)), (1, 1), 2, "groups, part of x unread"),
    ((2, 3, 5, 5), (3, 1, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 3, "depthwise"),
    ((1, 2, 4, 3), (4, 1, 2, 2), (1, 1), ((1, 0), (0, 1)), (2, 1), 2, "depthwise, multiplier 2"),
    ((2, 3, 4, 4), (5, 3, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, "1x1"),
    ((2, 2, 7), (3, 2, 3), (2,), ((1, 1),), (1,), 1, "one spatial axis"),
    ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (1, 2, 1), ((0, 0), (1, 1), (0, 1)), (1, 1, 1), 1, "three"),
    ((0, 2, 4, 4), (3, 2, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, "empty batch"),
)


def _cases() -> Iterable[tuple[_Attributes, Array, Array, Array, str]]:
    rng = np.random.default_rng(4)
    for x_shape, w_shape, stride, padding, dilation, groups, note in _CASES:
        attributes = (stride, padding, dilation, groups)
        x = rng.standard_normal(x_shape).astype(np.float32)
        w = (rng.standard_normal(w_shape) / 2).astype(np.float32)
        (y,) = Conv(*attributes).infer(*Sample(Conv(*attributes), (x, w)).types)
        yield attributes, x, w, rng.standard_normal(y.static_shape).astype(np.float32), note


def _attributes(op: _Convolution) -> _Attributes:
    return op.stride, op.padding, op.dilation, op.groups


def conv(x: O, w: O, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int = 1) -> O:
    """Cross-correlation of ``x[N, C, *S]`` with ``w[O, C/groups, *K]``."""
    return apply1(Conv(stride, padding, dilation, groups), x, w)


def conv_input_grad(
    dy: O, w: O, size: Shape, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int = 1
) -> O:
    """Gradient of a convolution's input of spatial ``size``: a transposed convolution of ``dy``."""
    return apply1(ConvInputGrad(stride, padding, dilation, groups, tuple(size)), dy, w)


def conv_weight_grad(
    x: O, dy: O, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int = 1
) -> O:
    """Gradient of a convolution's weight of spatial size ``kernel``."""
    return apply1(ConvWeightGrad(stride, padding, dilation, groups, kernel), x, dy)

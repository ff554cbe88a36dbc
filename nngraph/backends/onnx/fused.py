"""Operators that only this backend has: products with a bias added in the same kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nngraph import ops
from nngraph.ir.op import Array, Op, apply1
from nngraph.ir.types import TensorType

__all__ = ["BiasConv", "BiasMatMul"]


@dataclass(frozen=True)
class BiasMatMul(Op):
    """(a, b, c) -> a @ b + c, where c broadcasts to the product."""

    transpose_a: bool
    transpose_b: bool
    name: ClassVar[str] = "onnx.bias_matmul"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return ops.MatMul(self.transpose_a, self.transpose_b).infer(*types[:2])

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (product,) = ops.MatMul(self.transpose_a, self.transpose_b).eval(*inputs[:2])
        return (product + inputs[2],)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        a, b, c = inputs
        return (ops.add(ops.matmul(a, b, self.transpose_a, self.transpose_b), c),)


@dataclass(frozen=True)
class BiasConv(Op):
    """(x, w, bias[O]) -> the convolution plus a number for each filter."""

    conv: tuple[Any, ...]
    name: ClassVar[str] = "onnx.bias_conv"

    @property
    def inner(self) -> ops.Conv:
        """The convolution alone."""
        return ops.Conv(*self.conv)

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return self.inner.infer(*types[:2])

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (y,) = self.inner.eval(*inputs[:2])
        return (y + inputs[2].reshape(-1, *(1,) * (y.ndim - 2)),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, w, bias = inputs
        beside = (bias.type.shape[0], *(1,) * (x.type.rank - 2))
        return (ops.add(apply1(self.inner, x, w), ops.reshape(bias, beside)),)

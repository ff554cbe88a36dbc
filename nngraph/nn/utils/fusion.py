"""A normalization by running statistics, folded into the layer before it."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from nngraph.frontend.functional.creation import ones_like, zeros_like
from nngraph.frontend.functional.pointwise import rsqrt
from nngraph.frontend.tensor import Tensor
from nngraph.nn.modules.linear import Linear
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]

C = TypeVar("C", bound=Module)
L = TypeVar("L", bound=Linear)


def fuse_conv_bn_eval(conv: C, bn: Any, transpose: bool = False) -> C:
    """A convolution that computes what ``bn(conv(x))`` does in evaluation mode.

    Raises:
        AssertionError: in training mode, or without running statistics.
    """
    fused: Any = _copied(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        *(bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias),
        transpose,
    )
    made: C = fused
    return made


def _copied(layer: Module, bn: Any) -> Module:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return copy.deepcopy(layer)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of that convolution; ``transpose`` has the outputs along the second axis."""
    wanted, bias_wanted = conv_w.requires_grad, conv_b is not None and conv_b.requires_grad
    dtype = conv_w.dtype
    bias_dtype = dtype if conv_b is None else conv_b.dtype
    bias = zeros_like(bn_rm) if conv_b is None else conv_b.detach()
    gain = ones_like(bn_rm) if bn_w is None else bn_w.detach()
    shift = zeros_like(bn_rm) if bn_b is None else bn_b.detach()
    scale = rsqrt(bn_rv + bn_eps)
    first = (1, -1) if transpose else (-1, 1)
    shape = (*first, *(1,) * (conv_w.ndim - 2))
    weight = (conv_w.detach() * (gain * scale).reshape(shape)).to(dtype)
    moved = ((bias - bn_rm) * scale * gain + shift).to(bias_dtype)
    return Parameter(weight, wanted), Parameter(moved, bias_wanted)


def fuse_linear_bn_eval(linear: L, bn: Any) -> L:
    """A linear layer that computes what ``bn(linear(x))`` does in evaluation mode.

    Raises:
        AssertionError: in training mode, without running statistics, and for other sizes.
    """
    if linear.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused: Any = _copied(linear, bn)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, *(bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    )
    made: L = fused
    return made


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of that layer."""
    wanted, bias_wanted = linear_w.requires_grad, linear_b is not None and linear_b.requires_grad
    dtype = linear_w.dtype
    bias_dtype = dtype if linear_b is None else linear_b.dtype
    bias = zeros_like(bn_rm) if linear_b is None else linear_b.detach()
    scale = bn_w.detach() * rsqrt(bn_rv + bn_eps)
    weight = linear_w.detach() * scale.unsqueeze(-1).to(dtype)
    moved = ((bias - bn_rm) * scale + bn_b.detach()).to(bias_dtype)
    return Parameter(weight, wanted), Parameter(moved, bias_wanted)

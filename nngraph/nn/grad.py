"""Gradients of convolutions as functions (``torch.nn.grad``).

Source: https://docs.pytorch.org/docs/stable/_modules/torch/nn/grad.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from nngraph.frontend.autograd import grad
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.modes import enable_grad, is_grad_enabled
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional.convolution import conv1d, conv2d, conv3d

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]

Sizes = int | Sequence[int]


def _gradient(
    convolution: Callable[..., Tensor], like: Tensor, grad_output: Tensor, place: int, *rest: Any
) -> Tensor:
    """The gradient of one operand, which a convolution reads nothing of but its shape."""
    size, *options = rest
    recorded = is_grad_enabled()
    with enable_grad():
        wanted = zeros(tuple(size), dtype=like.dtype, requires_grad=True)
        operands = (wanted, like) if place == 0 else (like, wanted)
        stride, padding, dilation, groups = options
        out = convolution(*operands, None, stride, padding, dilation, groups)
        (found,) = grad(out, wanted, grad_output, create_graph=recorded)
    return cast("Tensor", found)


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv1d`` with respect to its input, ``[N, C, L]``.

    Args:
        input_size: shape of the input.
        weight, grad_output: the weight, and the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv1d, weight, grad_output, 0, input_size, *options)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv1d`` with respect to its weight.

    Args:
        input: ``[N, C, L]``.
        weight_size: shape of the weight.
        grad_output: the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv1d, input, grad_output, 1, weight_size, *options)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its input, ``[N, C, H, W]``.

    Args:
        input_size: shape of the input.
        weight, grad_output: the weight, and the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv2d, weight, grad_output, 0, input_size, *options)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its weight.

    Args:
        input: ``[N, C, H, W]``.
        weight_size: shape of the weight.
        grad_output: the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv2d, input, grad_output, 1, weight_size, *options)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv3d`` with respect to its input, ``[N, C, D, H, W]``.

    Args:
        input_size: shape of the input.
        weight, grad_output: the weight, and the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv3d, weight, grad_output, 0, input_size, *options)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of ``conv3d`` with respect to its weight.

    Args:
        input: ``[N, C, D, H, W]``.
        weight_size: shape of the weight.
        grad_output: the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    options = stride, padding, dilation, groups
    return _gradient(conv3d, input, grad_output, 1, weight_size, *options)

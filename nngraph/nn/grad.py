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
    convolution: Callable[..., Tensor],
    known: Tensor,
    size: Sequence[int],
    grad_output: Tensor,
    options: Sequence[Any],
    of_input: bool,
) -> Tensor:
    """The gradient of one operand, which a convolution reads nothing of but its shape."""
    recorded = is_grad_enabled()
    with enable_grad():
        wanted = zeros(tuple(size), dtype=known.dtype, requires_grad=True)
        operands = (wanted, known) if of_input else (known, wanted)
        out = convolution(*operands, None, *options)
        (found,) = grad(out, wanted, grad_output, create_graph=recorded)
    return cast("Tensor", found)


def _of_input(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def gradient(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        options = stride, padding, dilation, groups
        return _gradient(convolution, weight, input_size, grad_output, options, of_input=True)

    return _named(gradient, convolution, "input")


def _of_weight(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def gradient(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        options = stride, padding, dilation, groups
        return _gradient(convolution, input, weight_size, grad_output, options, of_input=False)

    return _named(gradient, convolution, "weight")


def _named(
    gradient: Callable[..., Tensor], convolution: Callable[..., Tensor], of: str
) -> Callable[..., Tensor]:
    name = convolution.__name__
    gradient.__name__ = gradient.__qualname__ = f"{name}_{of}"
    gradient.__doc__ = f"""The gradient of ``{name}`` with respect to its {of}.

    Args:
        {of}_size: shape of the {of}; the other operand is given whole.
        grad_output: the gradient of the output.
        stride, padding, dilation, groups: of the convolution.

    Raises:
        RuntimeError: if ``grad_output`` has not the shape of the output.
    """
    return gradient


conv1d_input, conv1d_weight = _of_input(conv1d), _of_weight(conv1d)
conv2d_input, conv2d_weight = _of_input(conv2d), _of_weight(conv2d)
conv3d_input, conv3d_weight = _of_input(conv3d), _of_weight(conv3d)

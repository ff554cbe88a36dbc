"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from nngraph.frontend.functional.creation import empty
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.nn import functional as F
from nngraph.nn import init
from nngraph.nn.functional.convolution import padding_pairs
from nngraph.nn.functional.sizes import PerAxis, each
from nngraph.nn.modules.lazy import LazyModuleMixin
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Attributes: weight ``[out, in/groups, *kernel]``, bias ``[out]`` or None.

    Both start uniform within ``1 / sqrt(in/groups * prod(kernel))``.
    """

    _axes: ClassVar[int]
    _transposed: ClassVar[bool] = False
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis,
        padding: PerAxis | str,
        dilation: PerAxis,
        output_padding: PerAxis,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: object,
        dtype: DType | None,
    ) -> None:
        super().__init__()
        n = self._axes
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each(kernel_size, n, "kernel_size")
        self.stride = each(stride, n, "stride")
        self.padding = padding if isinstance(padding, str) else each(padding, n, "padding")
        self.dilation = each(dilation, n, "dilation")
        self.transposed = self._transposed
        self.output_padding = each(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        first, second = (
            (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        )
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        if self.out_channels % self.groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {self.padding!r}, should be one of {{'same', 'valid'}}"
            )
        if self.padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_MODES)}, but got "
                f"padding_mode='{self.padding_mode}'"
            )

    def reset_parameters(self) -> None:
        """Draws initial values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = init._calculate_fan_in_and_fan_out(self.weight)[0]
        if self.bias is not None and fan_in:
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = self._axes
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * n:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * n:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * n:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    _run: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PerAxis | str = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        padding: PerAxis | str = self.padding
        if self.padding_mode != "zeros":
            mode = self.padding_mode
            input, padding = F.pad(input, self._pad_list(), mode), 0
        run = type(self)._run
        return run(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _pad_list(self) -> list[int]:
        """Paddings as ``F.pad`` takes them: the last axis first."""
        pairs = padding_pairs(self.padding, self.kernel_size, self.stride, self.dilation)
        return [p for pair in reversed(pairs) for p in pair]


class Conv1d(_Conv):
    """Convolution of ``[N, in, L]``."""

    _axes = 1
    _run = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution of ``[N, in, H, W]``: ``weight [out, in/groups, KH, KW]``, ``bias [out]``.

    Raises:
        ValueError: for channels that ``groups`` does not divide, and unknown paddings.
    """

    _axes = 2
    _run = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution of ``[N, in, D, H, W]``."""

    _axes = 3
    _run = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    _transposed = True
    _run: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PerAxis = 0,
        output_padding: PerAxis = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: PerAxis = 1,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        run = type(self)._run
        return run(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Tensor, wanted: Sequence[int] | None) -> tuple[int, ...]:
        """What is left between the smallest possible output and the wanted one."""
        if wanted is None:
            return self.output_padding
        n = self._axes
        sizes = list(wanted)[-n:]
        if len(wanted) not in (n, input.ndim):
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have "
                f"{n} or {input.ndim} elements (got {len(wanted)})"
            )
        pads = cast("tuple[int, ...]", self.padding)
        smallest: list[Any] = [
            (d - 1) * s - 2 * p + dil * (k - 1) + 1
            for d, s, p, dil, k in zip(
                input.aval.shape[-n:],
                self.stride,
                pads,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        largest = [low + s - 1 for low, s in zip(smallest, self.stride, strict=True)]
        bounds = zip(smallest, sizes, largest, strict=True)
        if any(not low <= size <= high for low, size, high in bounds):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from "
                f"{smallest} to {largest} (for an input of {input.shape[-n:]})"
            )
        return tuple(size - low for size, low in zip(sizes, smallest, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of ``[N, in, L]``."""

    _axes = 1
    _run = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of ``[N, in, H, W]``: ``weight [in, out/groups, KH, KW]``."""

    _axes = 2
    _run = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of ``[N, in, D, H, W]``."""

    _axes = 3
    _run = staticmethod(F.conv_transpose3d)


# -- whose channels are not known yet ------------------------------------------------------------
class _LazyConv(LazyModuleMixin, _ConvNd):
    """``in_channels`` is the size of the first input's axis of channels."""

    def _make_lazy(
        self, out_channels: int, bias: bool, device: object, dtype: DType | None
    ) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws initial values anew, once there are any."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Takes ``in_channels`` from the input.

        Raises:
            RuntimeError: for an input of another rank.
            ValueError: if ``groups`` does not divide it.
        """
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        channels = (self.out_channels, self.in_channels)
        first, second = reversed(channels) if self.transposed else channels
        if isinstance(self.weight, UninitializedParameter):
            self.weight.materialize((first, second // self.groups, *self.kernel_size))
        if isinstance(self.bias, UninitializedParameter):
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        unbatched = self._axes + 1
        if input.ndim not in (unbatched, unbatched + 1):
            raise RuntimeError(
                f"Expected {unbatched}D (unbatched) or {unbatched + 1}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        channels: int = input.shape[input.ndim - unbatched]
        return channels


class _LazyConvolution(_LazyConv, _Conv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PerAxis | str = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        of_axes = (kernel_size, stride, padding, dilation)
        super().__init__(0, 0, *of_axes, groups, False, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConv, _ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PerAxis = 0,
        output_padding: PerAxis = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: PerAxis = 1,
        padding_mode: str = "zeros",
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        of_axes = (kernel_size, stride, padding, output_padding)
        super().__init__(0, 0, *of_axes, groups, False, dilation, padding_mode)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, Conv1d):
    """``Conv1d`` without its ``in_channels``."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """``Conv2d`` without its ``in_channels``."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """``Conv3d`` without its ``in_channels``."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """``ConvTranspose1d`` without its ``in_channels``."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """``ConvTranspose2d`` without its ``in_channels``."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """``ConvTranspose3d`` without its ``in_channels``."""

    cls_to_become = ConvTranspose3d

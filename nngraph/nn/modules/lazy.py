"""Modules that infer sizes from their first input, and are then of the class that they stand for.

In a function that is being compiled, the first call gives such a module its parameters before the
trace goes on; they are there also if the trace fails later.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.frontend.functional.data import tensor
from nngraph.frontend.handles import RemovableHandle
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType, int64
from nngraph.nn.functional.sizes import PerAxis
from nngraph.nn.modules import batchnorm, conv, linear
from nngraph.nn.modules.batchnorm import _NormBase
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class LazyModuleMixin(Module):
    """A module with parameters of unknown shape, which ``initialize_parameters`` gives them.

    Attributes:
        cls_to_become: the class that the module has from its first call on; None to stay.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyLinear.html
    """

    cls_to_become: ClassVar[type[Module] | None] = None
    _initialize_hook: RemovableHandle
    _load_hook: RemovableHandle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._own_state().items():
            plain = keep_vars or is_lazy(value)
            destination[prefix + name] = value if plain else value.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """What is not initialized gets the shape of what is loaded into it."""
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if isinstance(value, UninitializedParameter | UninitializedBuffer) and not (
                given is None or is_lazy(given)
            ):
                value.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters their shapes and initial values; arguments are those of forward."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    @staticmethod
    def _infer_parameters(module: Any, args: Any, kwargs: Any = None) -> None:
        world().before(lambda: module._initialize(*args, **(kwargs or {})))

    def _initialize(self, *args: Any, **kwargs: Any) -> None:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        self._initialize_hook.remove()
        self._load_hook.remove()
        del self._initialize_hook
        del self._load_hook
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become  # type: ignore[assignment]


class LazyLinear(LazyModuleMixin, linear.Linear):
    """``Linear`` whose ``in_features`` is the size of the last axis of its first input."""

    cls_to_become = linear.Linear

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws initial values anew, once there are any."""
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes ``in_features`` from the input."""
        size = input.shape[-1]
        if isinstance(self.weight, UninitializedParameter):
            with no_grad():
                self.in_features = size
                self.weight.materialize((self.out_features, size))
                if isinstance(self.bias, UninitializedParameter):
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if not self.in_features:
            known = self.weight.shape[-1]
            if size != known:
                raise AssertionError(
                    f"The in_features inferred from input: {size} is not equal to in_features "
                    f"from self.weight: {known}"
                )
            self.in_features = size


# -- convolutions --------------------------------------------------------------------------------
class _LazyConv(LazyModuleMixin, conv._ConvNd):
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


class _LazyConvolution(_LazyConv, conv._Conv):
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


class _LazyTransposed(_LazyConv, conv._ConvTranspose):
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


class LazyConv1d(_LazyConvolution, conv.Conv1d):
    """``Conv1d`` without its ``in_channels``."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConvolution, conv.Conv2d):
    """``Conv2d`` without its ``in_channels``."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConvolution, conv.Conv3d):
    """``Conv3d`` without its ``in_channels``."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyTransposed, conv.ConvTranspose1d):
    """``ConvTranspose1d`` without its ``in_channels``."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, conv.ConvTranspose2d):
    """``ConvTranspose2d`` without its ``in_channels``."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, conv.ConvTranspose3d):
    """``ConvTranspose3d`` without its ``in_channels``."""

    cls_to_become = conv.ConvTranspose3d


# -- normalization -------------------------------------------------------------------------------
class _LazyNorm(LazyModuleMixin, _NormBase):
    """``num_features`` is the size of the first input's second axis."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: object = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, None, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            if wanted:
                setattr(self, name, UninitializedParameter(device=device, dtype=dtype))
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=int64)

    def reset_parameters(self) -> None:
        """Sets initial values, once there are any."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes ``num_features`` from the input."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for value in (self.weight, self.bias, self.running_mean, self.running_var):
            if isinstance(value, UninitializedParameter | UninitializedBuffer):
                value.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, batchnorm._BatchNorm):
    """``BatchNorm1d`` without its ``num_features``."""

    cls_to_become = batchnorm.BatchNorm1d
    _ranks = batchnorm.BatchNorm1d._ranks


class LazyBatchNorm2d(_LazyNorm, batchnorm._BatchNorm):
    """``BatchNorm2d`` without its ``num_features``."""

    cls_to_become = batchnorm.BatchNorm2d
    _ranks = batchnorm.BatchNorm2d._ranks


class LazyBatchNorm3d(_LazyNorm, batchnorm._BatchNorm):
    """``BatchNorm3d`` without its ``num_features``."""

    cls_to_become = batchnorm.BatchNorm3d
    _ranks = batchnorm.BatchNorm3d._ranks


class LazyInstanceNorm1d(_LazyNorm, batchnorm._InstanceNorm):
    """``InstanceNorm1d`` without its ``num_features``."""

    cls_to_become = batchnorm.InstanceNorm1d
    _ranks = batchnorm.InstanceNorm1d._ranks


class LazyInstanceNorm2d(_LazyNorm, batchnorm._InstanceNorm):
    """``InstanceNorm2d`` without its ``num_features``."""

    cls_to_become = batchnorm.InstanceNorm2d
    _ranks = batchnorm.InstanceNorm2d._ranks


class LazyInstanceNorm3d(_LazyNorm, batchnorm._InstanceNorm):
    """``InstanceNorm3d`` without its ``num_features``."""

    cls_to_become = batchnorm.InstanceNorm3d
    _ranks = batchnorm.InstanceNorm3d._ranks

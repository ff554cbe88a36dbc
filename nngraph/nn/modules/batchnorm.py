"""Normalization by the statistics of batches or of samples, with running statistics."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from nngraph.frontend.functional.creation import empty, ones, zeros
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, int64
from nngraph.nn import functional as F
from nngraph.nn import init
from nngraph.nn.modules.lazy import LazyModuleMixin
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """Attributes: weight, bias ``[C]`` or None; running_mean, running_var, num_batches_tracked."""

    _version: ClassVar[int] = 2
    _ranks: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: object,
        dtype: DType | None,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer("num_batches_tracked", tensor(0, int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the statistics."""
        if self.running_mean is not None and self.running_var is not None:
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Sets initial values."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            wanted = " or ".join(f"{r}D" for r in self._ranks)
            raise ValueError(f"expected {wanted} input (got {input.ndim}D input)")

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        # Dicts of old versions, and plain arrays, may lack the count of batches.
        version, key = local_metadata.get("version"), f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and self.num_batches_tracked is not None:
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: object = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        updates = self.training and self.track_running_stats
        momentum: Tensor | float = 0.0 if self.momentum is None else self.momentum
        if updates and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None and self.running_mean is not None:  # the mean of all batches
                momentum = 1.0 / self.num_batches_tracked.to(self.running_mean.dtype)
        use_running = not self.training or self.track_running_stats
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        return F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            by_batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Normalizes each channel of ``[N, C]`` or ``[N, C, L]`` over the batch."""

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalizes each channel of ``[N, C, H, W]`` over the batch.

    While training it uses the batch's mean and (biased) variance and moves ``running_mean`` and
    ``running_var`` (the unbiased one) towards them by ``momentum``; None is the mean of all
    batches. Otherwise it uses the running statistics.

    Raises:
        ValueError: for inputs of another rank.
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalizes each channel of ``[N, C, D, H, W]`` over the batch."""

    _ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Normalizes each channel of ``[N, C, *]`` over the batches of all processes: here of one.

    ``convert_sync_batchnorm`` puts it in the place of a model's ``BatchNorm*d``.

    Raises:
        ValueError: for inputs of less than two axes, or without channels.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: object = None,
        device: object = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if not input.shape[1]:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: object = None) -> Module:
        """The module with a ``SyncBatchNorm`` over the same tensors for each ``BatchNorm*d``."""
        found = module
        if isinstance(module, _BatchNorm):
            found = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(found, name, getattr(module, name))
            found.training = module.training
        for name, child in list(module.named_children()):
            found.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return found


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: object = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_channels(input)
        batched = input.ndim == max(self._ranks)
        x = input if batched else input.unsqueeze(0)
        y = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y if batched else y.squeeze(0)

    def _check_channels(self, input: Tensor) -> None:
        axis = input.ndim - max(self._ranks) + 1
        size = input.shape[axis]
        if size != self.num_features and not self.affine:
            warnings.warn(
                f"input's size at dim={axis} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
                stacklevel=3,
            )
        elif size != self.num_features:
            raise ValueError(
                f"expected input's size at dim={axis} to match num_features "
                f"({self.num_features}), but got: {size}."
            )


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample of ``[N, C, L]``."""

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalizes each channel of each sample of ``[N, C, H, W]``."""

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each sample of ``[N, C, D, H, W]``."""

    _ranks = (4, 5)


# -- whose features are not known yet ------------------------------------------------------------
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


class LazyBatchNorm1d(_LazyNorm, _BatchNorm):
    """``BatchNorm1d`` without its ``num_features``."""

    cls_to_become = BatchNorm1d
    _ranks = BatchNorm1d._ranks


class LazyBatchNorm2d(_LazyNorm, _BatchNorm):
    """``BatchNorm2d`` without its ``num_features``."""

    cls_to_become = BatchNorm2d
    _ranks = BatchNorm2d._ranks


class LazyBatchNorm3d(_LazyNorm, _BatchNorm):
    """``BatchNorm3d`` without its ``num_features``."""

    cls_to_become = BatchNorm3d
    _ranks = BatchNorm3d._ranks


class LazyInstanceNorm1d(_LazyNorm, _InstanceNorm):
    """``InstanceNorm1d`` without its ``num_features``."""

    cls_to_become = InstanceNorm1d
    _ranks = InstanceNorm1d._ranks


class LazyInstanceNorm2d(_LazyNorm, _InstanceNorm):
    """``InstanceNorm2d`` without its ``num_features``."""

    cls_to_become = InstanceNorm2d
    _ranks = InstanceNorm2d._ranks


class LazyInstanceNorm3d(_LazyNorm, _InstanceNorm):
    """``InstanceNorm3d`` without its ``num_features``."""

    cls_to_become = InstanceNorm3d
    _ranks = InstanceNorm3d._ranks

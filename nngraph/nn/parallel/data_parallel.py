"""A module on several devices: here on one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.nn.modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls ``module``, as PyTorch does where there is no accelerator.

    Raises:
        NotImplementedError: for several devices.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise NotImplementedError(
                f"DataParallel over the devices {list(device_ids)} is not supported: a module runs "
                "in one process on one device; leave device_ids out"
            )
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

"""A module in several processes (``torch.nn.parallel.distributed``): there is one."""

from __future__ import annotations

from typing import Any

from nngraph.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """What scripts import, and make where ``distributed.is_initialized()``, which is False here.

    Raises:
        ValueError: always, as PyTorch's does without a group of processes.
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise ValueError(
            "Default process group has not been initialized: there is one process, which trains "
            "the module itself; ask distributed.is_initialized() first"
        )

"""A module on several devices (``torch.nn.parallel``): here on one, in one process."""

from __future__ import annotations

from nngraph.nn.parallel.data_parallel import DataParallel
from nngraph.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel"]

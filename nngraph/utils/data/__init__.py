"""Datasets, samplers and loaders (``torch.utils.data``).

Source: https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

from nngraph.utils.data.collate import default_collate, default_convert
from nngraph.utils.data.dataloader import DataLoader
from nngraph.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from nngraph.utils.data.distributed import DistributedSampler
from nngraph.utils.data.information import get_worker_info
from nngraph.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

"""PyTorch's path to functions of tensors that are Python code there (``torch.functional``)."""

from __future__ import annotations

from nngraph.frontend.functional.contraction import einsum, tensordot
from nngraph.frontend.functional.decompositions import chain_matmul
from nngraph.frontend.functional.distances import cdist
from nngraph.frontend.functional.grids import block_diag, cartesian_prod, unravel_index
from nngraph.frontend.functional.joining import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_shapes,
    broadcast_tensors,
    meshgrid,
)
from nngraph.frontend.functional.order import unique
from nngraph.frontend.functional.parts import split
from nngraph.frontend.functional.reduction import norm
from nngraph.frontend.functional.statistics import unique_consecutive

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "meshgrid",
    "norm",
    "split",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]

"""Questions about a tensor: how many elements, which type, where in memory."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.devices import channels_last, channels_last_3d
from nngraph.frontend.functional.variants import attribute, both, function, method
from nngraph.frontend.record import Edge
from nngraph.frontend.rows import coalesced, rows_of
from nngraph.frontend.symint import size_of
from nngraph.frontend.tape import edge_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.views import is_row_major
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType
from nngraph.ops.core import normalize_axis

__all__ = [
    "conj",
    "is_complex",
    "is_floating_point",
    "is_inference",
    "is_nonzero",
    "is_tensor",
    "numel",
]


@both
def numel(input: Tensor) -> Any:
    """The number of elements."""
    return size_of(input.aval.size)


@attribute
def is_sparse(input: Tensor) -> bool:
    """Whether this is a gradient that is zero but in rows which it knows."""
    return rows_of(input) is not None


@method
def coalesce(input: Tensor) -> Any:
    """The rows of a gradient that knows them, each once and in order: a ``RowSparse``."""
    return coalesced(input)


@method
def to_dense(
    input: Tensor, dtype: DType | None = None, *, masked_grad: bool | None = None
) -> Tensor:
    """The tensor, of ``dtype`` if given; its elements are dense, masked gradients or not."""
    return input if dtype is None else input.to(dtype)


@method
def dim(input: Tensor) -> int:
    """The number of dimensions."""
    return input.ndim


@method
def size(input: Tensor, dim: int | None = None) -> Any:
    """The shape, or one of its sizes."""
    return input.shape if dim is None else input.shape[normalize_axis(dim, input.ndim, "size")]


nelement, ndimension = numel, dim


@both
def is_inference(input: Tensor) -> bool:
    """Whether code in inference mode made it."""
    return input._storage.inference


@both
def is_floating_point(input: Tensor) -> bool:
    """True for a floating point dtype."""
    return input.dtype.is_floating_point


@both
def is_complex(input: Tensor) -> bool:
    """False: nngraph has no complex numbers."""
    return False


@both
def conj(input: Tensor) -> Tensor:
    """``input`` itself: nngraph has no complex numbers."""
    return input


@function
def is_tensor(obj: object) -> bool:
    """True for tensors."""
    return isinstance(obj, Tensor)


@both
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; needs its value."""
    return bool(input)


@method
def element_size(input: Tensor) -> int:
    """Bytes of one element."""
    return input.dtype.itemsize


@attribute
def name(input: Tensor) -> None:
    """None: tensors have no names; parameters have them in their modules."""
    return None


@attribute
def output_nr(input: Tensor) -> int:
    """Which output of ``grad_fn`` it is; 0 for a leaf."""
    edge = edge_of(input, world())
    return edge.index if isinstance(edge, Edge) else 0


@attribute
def itemsize(input: Tensor) -> int:
    """Bytes of one element."""
    return input.dtype.itemsize


@attribute
def nbytes(input: Tensor) -> Any:
    """Bytes of all elements."""
    return size_of(input.aval.size * input.dtype.itemsize)


@method
def stride(input: Tensor, dim: int | None = None) -> Any:
    """Distances of neighbours in memory, in elements."""
    strides = tuple(map(size_of, world().strides(input._storage, input._path)))
    return strides if dim is None else strides[normalize_axis(dim, input.ndim, "stride")]


@method
def is_contiguous(input: Tensor, memory_format: object = None) -> bool:
    """True if the elements lie in memory in the order of their indices, or in another order."""
    shape, strides = input.aval.shape, world().strides(input._storage, input._path)
    if memory_format in (channels_last, channels_last_3d):
        rank = 4 if memory_format is channels_last else 5
        if len(shape) != rank:
            return False
        order = (0, *range(2, rank), 1)
        shape, strides = tuple(shape[k] for k in order), tuple(strides[k] for k in order)
    return is_row_major(shape, strides)


@method
def contiguous(input: Tensor, memory_format: object = None) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy; other orders change nothing."""
    return input if input.is_contiguous() else input.clone()

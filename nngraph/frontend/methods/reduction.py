"""Reductions over dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import as_float
from nngraph.ir.dtypes import DType, as_dtype, bool_, int64, uint8
from nngraph.ops.core import normalize_axes, normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["Extremes", "ReductionMethods"]

Dims = int | Sequence[int] | None


class Extremes(NamedTuple):
    """What ``max(dim)``, ``min(dim)``, ``sort`` and ``topk`` return."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """What ``aminmax`` returns."""

    min: Tensor
    max: Tensor


class ReductionMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def _axes(self: Tensor, dim: Dims) -> tuple[int, ...]:
        if dim is not None and not isinstance(dim, int) and not len(dim):
            dim = None  # PyTorch: an empty list means all
        if not self.ndim:  # a tensor without axes has an axis 0 to name
            normalize_axes(dim, 1)
            return ()
        try:
            return normalize_axes(dim, self.ndim)
        except ValueError:
            raise RuntimeError(f"a dim appears multiple times in the list of dims {dim}") from None

    def _counted(self: Tensor, dtype: object) -> Tensor:
        """Integers and bools are summed in int64."""
        if dtype is not None:
            return self.to(as_dtype(dtype))
        return self if self.dtype.is_floating_point else self.to(int64)

    def _reduce(
        self: Tensor, op: Callable[..., Any], x: Tensor, dim: Dims, keepdim: bool
    ) -> Tensor:
        out: Tensor = op(x, self._axes(dim), keepdim)
        return out

    def _one(self: Tensor, dim: int) -> tuple[Tensor, int]:
        """A tensor with at least one axis, and the axis meant."""
        return (self if self.ndim else self.reshape(1)), normalize_axis(dim, self.ndim)

    def sum(
        self: Tensor,
        dim: Dims = None,
        keepdim: bool = False,
        *,
        dtype: DType | None = None,
        axis: Dims = None,
    ) -> Tensor:
        chosen = dim if axis is None else axis
        return self._reduce(ops.sum, self._counted(dtype), chosen, keepdim)

    def mean(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
    ) -> Tensor:
        x = self if dtype is None else self.to(dtype)
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                "mean(): could not infer output dtype. Input dtype must be either a floating "
                f"point or complex dtype. Got: {x.dtype.name}"
            )
        return self._reduce(ops.mean, x, dim, keepdim)

    def prod(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
    ) -> Tensor:
        return self._reduce(ops.prod, self._counted(dtype), dim, keepdim)

    def amax(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Maximum; tied elements share the gradient evenly."""
        return self._extremum(ops.max, dim, keepdim)

    def amin(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Minimum; tied elements share the gradient evenly."""
        return self._extremum(ops.min, dim, keepdim)

    def _extremum(self: Tensor, op: Callable[..., Any], dim: Dims, keepdim: bool) -> Tensor:
        if self.dtype is bool_:
            return self.to(uint8)._extremum(op, dim, keepdim).to(bool_)
        return self._reduce(op, self, dim, keepdim)

    def max(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """All elements' maximum; with a dimension (values, indices); with a tensor ``maximum``."""
        if isinstance(dim, TensorBase):
            return self.maximum(dim)
        if dim is None:
            return self.amax()
        return self._extreme(self._numbers().argmax(dim, keepdim=True), dim, keepdim)

    def min(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """All elements' minimum; with a dimension (values, indices); with a tensor ``minimum``."""
        if isinstance(dim, TensorBase):
            return self.minimum(dim)
        if dim is None:
            return self.amin()
        return self._extreme(self._numbers().argmin(dim, keepdim=True), dim, keepdim)

    def _numbers(self: Tensor) -> Tensor:
        return self.to(uint8) if self.dtype is bool_ else self

    def _extreme(self: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Extremes:
        if not self.ndim:
            return Extremes(self.clone(), indices)
        values = ops.gather_elements(self, indices, normalize_axis(dim, self.ndim))
        if keepdim:
            return Extremes(values, indices)
        return Extremes(values.squeeze(dim), indices.squeeze(dim))

    def argmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first maximum; of the flattened tensor without ``dim``."""
        return self._arg(ops.argmax, dim, keepdim)

    def argmin(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first minimum; of the flattened tensor without ``dim``."""
        return self._arg(ops.argmin, dim, keepdim)

    def _arg(self: Tensor, op: Callable[..., Any], dim: int | None, keepdim: bool) -> Tensor:
        if dim is None:
            if self.type.size == 0:
                raise IndexError(
                    "argmax()/argmin(): Expected reduction dim to be specified for "
                    "input.numel() == 0."
                )
            flat: Tensor = op(self.reshape(-1), 0, False)
            return flat.reshape((1,) * self.ndim) if keepdim else flat
        source, axis = self._one(dim)
        if source.type.shape[axis] == 0:
            raise IndexError(f"Expected reduction dim {dim} to have non-zero size.")
        out: Tensor = op(source, axis, keepdim and bool(self.ndim))
        return out

    def any(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        out = self._reduce(ops.any, self.to(bool_), dim, keepdim)
        return out.to(uint8) if self.dtype is uint8 else out

    def all(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        out = self._reduce(ops.all, self.to(bool_), dim, keepdim)
        return out.to(uint8) if self.dtype is uint8 else out

    def logsumexp(self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        x = as_float(self)
        if self.type.size == 0:
            return x.exp().sum(dim, keepdim).log()
        return self._reduce(ops.logsumexp, x, dim, keepdim)

    def var(
        self: Tensor,
        dim: Dims | bool = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: int | None = None,
    ) -> Tensor:
        """Variance; ``correction`` (1 if ``unbiased``) is taken from the number of elements."""
        if isinstance(dim, bool):  # var(unbiased)
            unbiased, dim = dim, None
        less = correction if correction is not None else int(unbiased)
        return ops.var(self, self._axes(dim), less, keepdim)

    def std(
        self: Tensor,
        dim: Dims | bool = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: int | None = None,
    ) -> Tensor:
        """Square root of ``var``."""
        return self.var(dim, unbiased, keepdim, correction=correction).sqrt()

    def norm(self: Tensor, p: float | str = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Vector norm: ``p`` is a number, ``inf``, ``-inf``, 0 or ``"fro"``.

        The gradient at zero is zero, as in PyTorch.
        """
        if not self.dtype.is_floating_point:
            raise RuntimeError(
                "linalg.vector_norm: Expected a floating point or complex tensor as "
                f"input. Got {self.dtype.name}"
            )
        order = 2.0 if p == "fro" else float(p)
        size = self.abs()
        if order == float("inf"):
            return size.amax(dim, keepdim)
        if order == float("-inf"):
            return size.amin(dim, keepdim)
        if order == 0:
            return self.ne(0).to(self.dtype).sum(dim, keepdim)
        if order == 1:
            return size.sum(dim, keepdim)
        power = self.square() if order == 2 else size.pow(order)
        total = power.sum(dim, keepdim)
        zero = total.eq(0)
        safe = total.masked_fill(zero, 1)
        root = safe.sqrt() if order == 2 else safe.pow(1 / order)
        return root.masked_fill(zero, 0)

    def cumsum(self: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
        return self._run(ops.cumsum, dim, dtype)

    def cumprod(self: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
        return self._run(ops.cumprod, dim, dtype)

    def _run(self: Tensor, op: Callable[..., Any], dim: int, dtype: object) -> Tensor:
        x, axis = self._counted(dtype)._one(dim)
        out: Tensor = op(x, axis)
        return out if self.ndim else out.reshape(())

    def softmax(self: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
        x = self if dtype is None else self.to(dtype)
        source, axis = x._one(dim)
        return ops.softmax(source, axis).reshape(self.type.shape)

    def log_softmax(self: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
        x = self if dtype is None else self.to(dtype)
        source, axis = x._one(dim)
        return ops.log_softmax(source, axis).reshape(self.type.shape)

    def sort(
        self: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
    ) -> Extremes:
        """Sorted values and where they were; equal elements keep their order."""
        source, axis = self._one(dim)
        values, places = ops.sort(source, axis, descending)
        if not self.ndim:
            return Extremes(values.reshape(()), places.reshape(()))
        return Extremes(values, places)

    def argsort(
        self: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
    ) -> Tensor:
        return self.sort(dim, descending).indices

    def msort(self: Tensor) -> Tensor:
        return self.sort(0).values

    def topk(
        self: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
    ) -> Extremes:
        """The ``k`` largest (or smallest) elements, sorted, and where they were."""
        axis = normalize_axis(dim, self.ndim)
        return Extremes(*cast("Any", ops.topk(self, k, axis, largest)))

    def kthvalue(self: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extremes:
        """The ``k``-th smallest element (from 1) and where it is."""
        values, places = self.sort(dim)
        axis = normalize_axis(dim, self.ndim)
        found = (t.narrow(axis, k - 1, 1) for t in (values, places))
        return Extremes(*(t if keepdim else t.squeeze(axis) for t in found))

    def median(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        """The middle element, of two the lower; with a dimension also where it is."""
        if dim is None:
            return self.reshape(-1).median(0).values
        size = cast("int", self.type.shape[normalize_axis(dim, self.ndim)])
        return self.kthvalue((size - 1) // 2 + 1, dim, keepdim)

    def aminmax(self: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
        """Minimum and maximum."""
        return MinMax(self.amin(dim, keepdim), self.amax(dim, keepdim))

    def count_nonzero(self: Tensor, dim: Dims = None) -> Tensor:
        return self.ne(0).sum(dim)

    def nansum(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The sum of what is not NaN."""
        return self.masked_fill(self.isnan(), 0).sum(dim, keepdim)

    def nanmean(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The mean of what is not NaN."""
        count = self.isnan().logical_not().sum(dim, keepdim)
        return self.nansum(dim, keepdim) / count

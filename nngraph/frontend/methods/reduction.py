"""Reductions over dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import as_float
from nngraph.ir.dtypes import DType, as_dtype, bool_, int64
from nngraph.ops.core import normalize_axes, normalize_axis

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["Extremes", "ReductionMethods"]

Dims = int | Sequence[int] | None


class Extremes(NamedTuple):
    """What ``max(dim)``, ``min(dim)``, ``sort`` and ``topk`` return."""

    values: Tensor
    indices: Tensor


class ReductionMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def _axes(self: Tensor, dim: Dims) -> tuple[int, ...]:
        if dim is not None and not isinstance(dim, int) and not len(dim):
            dim = None  # PyTorch: an empty list means all
        return normalize_axes(dim, self.ndim)

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

    def sum(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
    ) -> Tensor:
        return self._reduce(ops.sum, self._counted(dtype), dim, keepdim)

    def mean(self: Tensor, dim: Dims = None, keepdim: bool = False, *,
             dtype: DType | None = None) -> Tensor:  # fmt: skip
        x = self if dtype is None else self.to(dtype)
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                "mean(): could not infer output dtype. Input dtype must be either a floating "
                f"point or complex dtype. Got: {x.dtype.name}"
            )
        return self._reduce(ops.mean, x, dim, keepdim)

    def prod(self: Tensor, dim: Dims = None, keepdim: bool = False, *,
             dtype: DType | None = None) -> Tensor:  # fmt: skip
        return self._reduce(ops.prod, self._counted(dtype), dim, keepdim)

    def amax(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Maximum; tied elements share the gradient evenly."""
        return self._reduce(ops.max, self, dim, keepdim)

    def amin(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Minimum; tied elements share the gradient evenly."""
        return self._reduce(ops.min, self, dim, keepdim)

    def max(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """All elements' maximum; with a dimension (values, indices); with a tensor ``maximum``."""
        if isinstance(dim, TensorBase):
            return self.maximum(dim)
        if dim is None:
            return self.amax()
        return self._extreme(self.argmax(dim, keepdim=True), dim, keepdim)

    def min(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """All elements' minimum; with a dimension (values, indices); with a tensor ``minimum``."""
        if isinstance(dim, TensorBase):
            return self.minimum(dim)
        if dim is None:
            return self.amin()
        return self._extreme(self.argmin(dim, keepdim=True), dim, keepdim)

    def _extreme(self: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Extremes:
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
            flat: Tensor = op(self.reshape(-1), 0, False)
            return flat.reshape((1,) * self.ndim) if keepdim else flat
        source = self if self.ndim else self.reshape(1)
        out: Tensor = op(source, normalize_axis(dim, self.ndim), keepdim and bool(self.ndim))
        return out

    def any(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        return self._reduce(ops.any, self.to(bool_), dim, keepdim)

    def all(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        return self._reduce(ops.all, self.to(bool_), dim, keepdim)

    def logsumexp(self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        return self._reduce(ops.logsumexp, as_float(self), dim, keepdim)

    def var(self: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *,
            correction: int | None = None) -> Tensor:  # fmt: skip
        """Variance; ``correction`` (1 if ``unbiased``) is taken from the number of elements."""
        less = correction if correction is not None else int(unbiased)
        return ops.var(self, self._axes(dim), less, keepdim)

    def std(self: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *,
            correction: int | None = None) -> Tensor:  # fmt: skip
        """Square root of ``var``."""
        return self.var(dim, unbiased, keepdim, correction=correction).sqrt()

    def norm(self: Tensor, p: float | str = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Vector norm: ``p`` is a number, ``inf``, ``-inf``, 0 or ``"fro"``.

        The gradient at zero is zero, as in PyTorch.
        """
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
        return ops.cumsum(self._counted(dtype), normalize_axis(dim, self.ndim))

    def cumprod(self: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
        return ops.cumprod(self._counted(dtype), normalize_axis(dim, self.ndim))

    def softmax(self: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
        x = self if dtype is None else self.to(dtype)
        return ops.softmax(x, normalize_axis(dim, self.ndim))

    def log_softmax(self: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
        x = self if dtype is None else self.to(dtype)
        return ops.log_softmax(x, normalize_axis(dim, self.ndim))

    def sort(
        self: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
    ) -> Extremes:
        """Sorted values and where they were; equal elements keep their order."""
        axis = normalize_axis(dim, self.ndim)
        return Extremes(*cast("Any", ops.sort(self, axis, descending)))

    def argsort(
        self: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
    ) -> Tensor:
        return self.sort(dim, descending).indices

    def topk(
        self: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
    ) -> Extremes:
        """The ``k`` largest (or smallest) elements, sorted, and where they were."""
        axis = normalize_axis(dim, self.ndim)
        return Extremes(*cast("Any", ops.topk(self, k, axis, largest)))

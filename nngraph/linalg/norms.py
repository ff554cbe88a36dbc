"""Norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

from typing import Any

from nngraph import ops
from nngraph.frontend.functional.axes import Dims, axes_of
from nngraph.frontend.functional.matrices import need_matrix, need_square
from nngraph.frontend.functional.systems import inverted
from nngraph.frontend.functional.variants import function
from nngraph.frontend.promotion import promote_types
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.linalg.decompositions import svdvals
from nngraph.ops.core import normalize_axis

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

_INF = float("inf")


@function
def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``sum(|x|**ord)**(1/ord)`` over the dimensions (None: all of them).

    Args:
        x: floating point numbers.
        ord: any number; ``inf`` and ``-inf`` are the largest and the smallest, 0 counts what is
            not zero.
        dim: one or several.
        keepdim: they stay, with size 1.
        dtype: to convert x to before.
        out: where to write.
    """
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point tensor as input. Got {x.dtype.name}"
        )
    axes = axes_of(x, dim)
    if (ord < 0 or ord == _INF) and 0 in (x.aval.shape[a] for a in axes):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the "
            "operation does not have an identity"
        )
    return ops.vector_norm(_in("vector_norm", x, dtype), float(ord), axes, keepdim)


def _in(name: str, x: Tensor, dtype: DType | None) -> Tensor:
    """Converted to a dtype that holds x's numbers."""
    if dtype is None:
        return x
    if promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"linalg.{name}: the dtype of the input ({x.dtype.name}) should be convertible without "
            f"narrowing to the specified dtype ({dtype.name})"
        )
    return x.to(dtype)


@function
def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The norm of matrices.

    Args:
        A: ``[..., m, n]``.
        ord: ``"fro"``; 1 and ``inf``, the largest sum of sizes of a column and of a row (-1 and
            ``-inf``: the smallest); 2, -2 and ``"nuc"``, the largest, the smallest and the sum of
            singular values, which are eager only.
        dim: which two dimensions are the matrices.
        keepdim: they stay, with size 1.
        dtype: to convert A to before.
        out: where to write.
    """
    if A.ndim < 2:
        need_matrix("linalg.matrix_norm", A)
    rows, columns = (normalize_axis(d, A.ndim, "linalg.matrix_norm") for d in _pair(dim))
    x = _in("matrix_norm", A, dtype)
    if ord == "fro":
        return vector_norm(x, 2, (rows, columns), keepdim)
    if isinstance(ord, int | float) and abs(ord) in (1, _INF):
        inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(x, 1, inner, True)
        none = ord > 0 and sums.aval.shape[outer] == 0  # whose largest is 0
        reduce = sums.sum if none else sums.amax if ord > 0 else sums.amin
        found = reduce(outer, True)
    elif ord in (2, -2, "nuc"):
        found = _spectral(x.movedim((rows, columns), (-2, -1)), ord)
        found = found[..., None, None].movedim((-2, -1), (rows, columns))
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return found if keepdim else found.squeeze((rows, columns))


def _pair(dim: Any) -> tuple[int, int]:
    pair = tuple(dim) if isinstance(dim, tuple | list) else ()
    if len(pair) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    return pair


def _spectral(x: Tensor, ord: float | str) -> Tensor:
    need_matrix("linalg.matrix_norm", x)
    values = svdvals(x)
    if ord == "nuc" or values.aval.shape[-1] == 0:
        return values.sum(-1)
    return values.amax(-1) if ord == 2 else values.amin(-1)


@function
def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``vector_norm`` or, for two dimensions, ``matrix_norm``; without ``ord`` 2 of all elements.

    Raises:
        RuntimeError: for other numbers of dimensions.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    count = A.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if count not in (1, 2):
        what = (
            f"If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
            if dim is None
            else f"If dim is specified, it must be of length 1 or 2. Got {list(axes_of(A, dim))}"
        )
        raise RuntimeError(f"linalg.norm: {what}")
    if count == 2 or isinstance(ord, str):
        pair = (-2, -1) if dim is None else _pair(dim)
        return matrix_norm(A, ord, pair, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@function
def cond(A: Tensor, p: float | str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number: the norm of A times that of its inverse (None: of singular values).

    Infinity for singular matrices.
    """
    if p is None or p in (2, -2):
        need_matrix("linalg.cond", A)
        values = svdvals(A)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    need_square(f"linalg.cond(ord={p})", A)
    found = matrix_norm(A, p) * matrix_norm(inverted(A, False), p)
    finite = A.detach().isfinite().flatten(-2).all(-1)
    return found.masked_fill(found.isnan() & finite, _INF)

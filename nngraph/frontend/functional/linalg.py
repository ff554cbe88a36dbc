"""Products of matrices and vectors, triangles, traces."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.contraction import tensordot
from nngraph.frontend.functional.joining import broadcast_shapes
from nngraph.frontend.functional.kinds import need_numbers, need_same
from nngraph.frontend.functional.variants import both, everywhere, method
from nngraph.frontend.promotion import as_number, promoted
from nngraph.frontend.tensor import Tensor
from nngraph.ops.core import normalize_axis

__all__ = [
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "cross",
    "dot",
    "ger",
    "inner",
    "matmul",
    "mm",
    "mv",
    "outer",
    "tril",
    "triu",
    "vdot",
]


@both
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """NumPy's and PyTorch's ``@``: vectors are rows on the left and columns on the right.

    Raises:
        RuntimeError: for 0-d operands and for sizes that do not fit.
    """
    if not input.ndim or not other.ndim:
        raise RuntimeError(
            "both arguments to matmul need to be at least 1D, but they are "
            f"{input.ndim}D and {other.ndim}D"
        )
    a, b = input, other
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected both matrices to have the same dtype, but got "
            f"{a.dtype.name} and {b.dtype.name}"
        )
    left, right = a.ndim == 1, b.ndim == 1
    a = a.unsqueeze(0) if left else a
    b = b.unsqueeze(-1) if right else b
    out = ops.matmul(a, b)
    out = out.squeeze(-1) if right else out
    return out.squeeze(-1 if right else -2) if left else out


@both
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise RuntimeError("mm: both arguments must be matrices")
    return input.matmul(mat2)


@both
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two batches of matrices."""
    if input.ndim != 3 or mat2.ndim != 3:
        raise RuntimeError("bmm: both arguments must be 3-D")
    if input.aval.shape[0] != mat2.aval.shape[0]:
        raise RuntimeError(f"bmm: expected batches of one size, got {input.aval} and {mat2.aval}")
    return input.matmul(mat2)


@both
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input.ndim}-D and {vec.ndim}-D"
        )
    return input.matmul(vec)


@both
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sum of the products of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return input.matmul(tensor)


@both
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``dot``, as there are no complex numbers."""
    return input.dot(other)


@both
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of all pairs of elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(
            f"outer: Expected 1-D arguments, but got {input.ndim}-D and {vec2.ndim}-D"
        )
    a, b = promoted(input, vec2)
    return a.unsqueeze(1) * b.unsqueeze(0)


@both
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last dimensions; a product where one has no axis."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.aval.shape[-1] != other.aval.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but "
            f"got shapes {input.aval} and {other.aval}"
        )
    need_same("inner", input, other=other)
    if input.ndim == other.ndim == 1:
        return input.dot(other)
    return tensordot(input, other, ([-1], [-1]))


@everywhere
def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * mat1 @ mat2``."""
    return plus(input, mat1.mm(mat2), beta, alpha)


@everywhere
def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * mat @ vec``."""
    return plus(input, mat.mv(vec), beta, alpha)


@everywhere
def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * batch1 @ batch2``."""
    return plus(input, batch1.bmm(batch2), beta, alpha)


@both
def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Vector products along a dimension of size 3 (the first one, if not named)."""
    if dim is None:
        dim = next((a for a, d in enumerate(input.aval.shape) if d == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input {input.aval}")
    axis = normalize_axis(dim, input.ndim)
    if input.aval.shape[axis] != 3 or other.aval.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension must have length 3. Got {input.aval} and {other.aval}"
        )
    return input.roll(-1, axis) * other.roll(1, axis) - input.roll(1, axis) * other.roll(-1, axis)


def plus(x: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """``beta * x + alpha * product``, in the product's shape and dtype."""
    if broadcast_shapes(x.aval.shape, product.aval.shape) != product.aval.shape:
        raise RuntimeError(
            f"the input is {x.aval}; it must be of a shape that broadcasts to the product's, "
            f"{product.aval}"
        )
    kind = product.dtype  # whose factors are of it, as C casts them
    scaled = product if alpha == 1 else product * as_number(alpha, kind)
    if beta == 0:
        return scaled
    return (x if beta == 1 else x * as_number(beta, kind)) + scaled


@method
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    need_numbers("trace", input.dtype)
    return input.diagonal().sum()


def _need_matrix(input: Tensor, what: str) -> None:
    if input.ndim < 2:
        raise RuntimeError(
            f"{what}: input tensor must have at least 2 dimensions, got {input.aval}"
        )


@everywhere
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle, with ``diagonal`` and what is below."""
    _need_matrix(input, "tril")
    return ops.tril(input, diagonal)


@everywhere
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle, with ``diagonal`` and what is above."""
    _need_matrix(input, "triu")
    return ops.triu(input, diagonal)


ger = outer

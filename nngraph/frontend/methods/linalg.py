"""Products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph import ops
from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import promoted

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["LinalgMethods"]


class LinalgMethods(TensorBase):
    """Each method is PyTorch's method of that name."""

    __slots__ = ()

    def matmul(self: Tensor, other: Tensor) -> Tensor:
        """NumPy's and PyTorch's ``@``: vectors are rows on the left and columns on the right.

        Raises:
            RuntimeError: for 0-d operands and for sizes that do not fit.
        """
        if not self.ndim or not other.ndim:
            raise RuntimeError(
                "both arguments to matmul need to be at least 1D, but they are "
                f"{self.ndim}D and {other.ndim}D"
            )
        a, b = self, other
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

    def mm(self: Tensor, mat2: Tensor) -> Tensor:
        if self.ndim != 2 or mat2.ndim != 2:
            raise RuntimeError("mm: both arguments must be matrices")
        return self.matmul(mat2)

    def bmm(self: Tensor, mat2: Tensor) -> Tensor:
        if self.ndim != 3 or mat2.ndim != 3:
            raise RuntimeError("bmm: both arguments must be 3-D")
        return self.matmul(mat2)

    def mv(self: Tensor, vec: Tensor) -> Tensor:
        if self.ndim != 2 or vec.ndim != 1:
            raise RuntimeError(
                f"vector + matrix @ vector expected, got {self.ndim}-D and {vec.ndim}-D"
            )
        return self.matmul(vec)

    def dot(self: Tensor, other: Tensor) -> Tensor:
        """Sum of the products of two vectors."""
        if self.ndim != 1 or other.ndim != 1:
            raise RuntimeError(
                f"1D tensors expected, but got {self.ndim}D and {other.ndim}D tensors"
            )
        return self.matmul(other)

    def outer(self: Tensor, vec2: Tensor) -> Tensor:
        if self.ndim != 1 or vec2.ndim != 1:
            raise RuntimeError(
                f"outer: Expected 1-D arguments, but got {self.ndim}-D and {vec2.ndim}-D"
            )
        a, b = promoted(self, vec2)
        return a.unsqueeze(1) * b.unsqueeze(0)

    ger, vdot = outer, dot

    def inner(self: Tensor, other: Tensor) -> Tensor:
        """Sums of products over the last dimensions; a product where one has no axis."""
        if not self.ndim or not other.ndim:
            return self * other
        if self.type.shape[-1] != other.type.shape[-1]:
            raise RuntimeError(
                f"inner() the last dimension must match on both input tensors but "
                f"got shapes {self.type} and {other.type}"
            )
        rows = self.reshape(-1, self.type.shape[-1]) @ other.reshape(-1, other.type.shape[-1]).t()
        return rows.reshape(*self.type.shape[:-1], *other.type.shape[:-1])

    def addmm(
        self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        """``beta * self + alpha * mat1 @ mat2``."""
        return _plus(self, mat1.mm(mat2), beta, alpha)

    def addmv(
        self: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        """``beta * self + alpha * mat @ vec``."""
        return _plus(self, mat.mv(vec), beta, alpha)

    def baddbmm(
        self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        """``beta * self + alpha * batch1 @ batch2``."""
        return _plus(self, batch1.bmm(batch2), beta, alpha)


def _plus(x: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return (x if beta == 1 else x * beta) + scaled

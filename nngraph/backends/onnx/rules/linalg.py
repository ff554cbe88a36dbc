"""Matrix products: Gemm for matrices, MatMul (with transposes that the runtime folds in) else."""

from __future__ import annotations

from nngraph import ops
from nngraph.backends.onnx.emission import Emission, Emissions, OpSite, Site
from nngraph.backends.onnx.fused import BiasMatMul
from nngraph.backends.onnx.rules.shape import filled
from nngraph.ir.dims import Dim

__all__ = ["EMISSIONS", "matrix_product", "swapped"]


def swapped(s: Site, x: str, rank: int) -> str:
    """The last two axes exchanged."""
    return s("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])


def matrix_product(s: Site, a: str, b: str, ta: bool = False, tb: bool = False, c: str = "") -> str:
    """``a @ b (+ c)`` of two matrices of floats."""
    inputs = (a, b, c) if c else (a, b)
    return s("Gemm", *inputs, transA=int(ta) or None, transB=int(tb) or None)


def _matmul(s: OpSite[ops.MatMul]) -> str:
    (a, b), (left, right) = s.inputs, s.types
    ta, tb = s.op.transpose_a, s.op.transpose_b
    inner = left.shape[-2 if ta else -1]
    if inner == 0:
        return filled(s, 0, s.dtype, s.shape)
    if s.dtype.is_floating_point and right.rank == 2:
        if left.rank == 2:
            return matrix_product(s, a, b, ta, tb)
        if not ta:
            return _rows_product(s, a, b, tb)
    a = swapped(s, a, left.rank) if ta else a
    b = swapped(s, b, right.rank) if tb else b
    return s("MatMul", a, b)


def _rows_product(s: Site, a: str, b: str, tb: bool, c: str = "") -> str:
    """One matrix serves a batch of row blocks: one long product."""
    left = s.types[0].shape
    rows: Dim = 1
    for d in left[:-1]:
        rows = rows * d
    product = matrix_product(s, s.reshape(a, (rows, left[-1]), left), b, False, tb, c)
    return s.reshape(product, s.shape, (rows, s.shape[-1]))


def _bias_matmul(s: OpSite[BiasMatMul]) -> str:
    a, b, c = s.inputs
    ta, tb = s.op.transpose_a, s.op.transpose_b
    if s.types[0].shape[-2 if ta else -1] == 0:
        return s.expand(c, s.shape)
    if s.types[0].rank == 2:
        return matrix_product(s, a, b, ta, tb, c)
    return _rows_product(s, a, b, tb, c)


EMISSIONS: Emissions = {ops.MatMul: Emission(_matmul), BiasMatMul: Emission(_bias_matmul)}

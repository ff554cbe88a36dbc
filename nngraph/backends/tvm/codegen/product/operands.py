"""The arguments of a matrix product, and the index that its epilogue is told."""

from __future__ import annotations

from nngraph.backends.tvm.codegen.common import unflatten
from nngraph.backends.tvm.loops.base import Buffer, Expr, Kernel
from nngraph.backends.tvm.specs import GemmSpec

__all__ = ["asked_index", "declare_operands"]


def declare_operands(k: Kernel, spec: GemmSpec) -> tuple[Buffer, Buffer]:
    """A and B as flat arguments, in this order unless they are swapped."""
    sizes = {
        "A": spec.size(spec.a, (spec.rows, spec.inner)),
        "B": spec.size(spec.b, (spec.inner, spec.columns)),
    }
    names = ("B", "A") if spec.swapped else ("A", "B")
    buffers = {name: k.argument(name, (sizes[name],), spec.dtype) for name in names}
    return buffers["A"], buffers["B"]


def asked_index(spec: GemmSpec, index: list[Expr]) -> list[Expr]:
    """Index in `spec.folded()` -> index in `spec`."""
    kept = len(spec.folded().batch)
    folded = spec.batch[kept:]
    if not folded:
        return index
    *batch, row, column = index
    return [*batch, *unflatten(row // spec.rows, folded), row % spec.rows, column]

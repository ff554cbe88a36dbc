"""One elementwise kernel over many tensors, which a table lists piece by piece.

The kernel knows no sizes. A row of the table is a piece of up to ``CHUNK`` elements: where the
piece of each operand lies, and how long it is. Rows are shared among tasks by how much there is to
do, so that threads that start together end together.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.body.chunk import Registers
from nngraph.backends.tvm.codegen.body.fused import FusedBody
from nngraph.backends.tvm.codegen.body.plan import BodyPlan
from nngraph.backends.tvm.codegen.types import Expr, storage_type
from nngraph.backends.tvm.loops.base import Buffer, Kernel, Loops, PrimFunc
from nngraph.backends.tvm.tiles import CHUNK, PARTS, BodyTile
from nngraph.ir.graph import Value

__all__ = ["build_listed"]

_WIDTH = 16
_MOST = 1 << 24  # rows; nothing depends on it


def build_listed(
    plan: BodyPlan, aliases: Sequence[tuple[int, int]], work: int, loops: Loops
) -> PrimFunc:
    """The kernel of a body over vectors of ``CHUNK`` elements and numbers.

    Parameters: the table of tensors, the elements of each row, and the first row of each task and
    the end of all; as ``TensorTable`` has them.
    """
    with loops.kernel("listed") as k:
        _Listed(plan, BodyTile(_WIDTH, 1, 0), loops, dict(aliases)).emit_rows(k, work)
    return k.finish()


class _Listed(FusedBody):
    def emit_rows(self, k: Kernel, work: int) -> None:
        operands = self.operands()
        table = k.argument("tensors", (_MOST,), "uint8")
        counts = k.argument("counts", (_MOST,), "int64")
        starts = k.argument("starts", (PARTS + 1,), "int64")
        with self.loops.tasks(PARTS, work) as part:
            first, end = (tirx.Cast("int32", starts[part + i]) for i in (0, 1))
            with T.serial(first, end) as row:
                self._point(table, row, operands)
                count = tirx.Cast("int32", counts[row])
                self._piece(T.bind(count))

    def _point(self, table: Buffer, row: Expr, operands: Sequence[Value]) -> None:
        """Finds the buffers of a row."""
        for i, value in enumerate(operands):
            kind, size = value.type, CHUNK if value.type.rank else 1
            self.buffers[value] = self.loops.listed(
                table, row * len(operands) + i, size, storage_type(kind.dtype)
            )
        self.alias()

    def _piece(self, count: Expr) -> None:
        known = Registers()
        self._row_values(0, {}, 1, known)
        with T.serial(0, count // _WIDTH) as i:
            self._chunk(0, lambda lane: {0: i * _WIDTH + lane}, _WIDTH, 1, [], known)
        with T.serial(0, count % _WIDTH) as i:
            at = count // _WIDTH * _WIDTH + i
            self._chunk(0, lambda _: {0: at}, 1, 1, [], known)

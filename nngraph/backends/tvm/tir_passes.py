"""The passes that take a scheduled kernel to code for the host.

TVM's default list is for every device and schedule. What is left out here does nothing for kernels
that are written loop by loop for a CPU, and takes most of the compile time: the search for smaller
buffers alone (``CompactBufferAllocation``) up to 95 %.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir, tirx

__all__ = ["kernel_passes"]


def kernel_passes() -> Any:
    """From loops, blocks and buffers to packed functions; before the finishing passes."""
    return tvm.ir.transform.Sequential([*_loops(), *_statements(), *_functions()])


def _loops() -> list[Any]:
    """Buffers get their place and become flat; loops become vectors."""
    return [
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.BF16ComputeLegalize(),
        tirx.transform.NarrowDataType(32),
        tirx.transform.VectorizeLoop(True),
        tirx.transform.StorageRewrite(),
    ]


def _statements() -> list[Any]:
    return [
        s_tir.transform.HoistIfThenElse(),
        tirx.transform.UnrollLoop(),
        s_tir.transform.RenormalizeSplitPattern(),
        tirx.transform.StmtSimplify(),
        tirx.transform.RemoveNoOp(),
        s_tir.transform.RewriteUnsafeSelect(),
        tirx.transform.CommonSubexprElim(),
    ]


def _functions() -> list[Any]:
    return [
        tirx.transform.VerifyMemory(),
        tirx.transform.AnnotateEntryFunc(),
        tirx.transform.SplitHostDevice(),
        tirx.transform.MakePackedAPI(),
        tirx.transform.BF16StorageLegalize(),
    ]

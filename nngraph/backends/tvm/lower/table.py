"""Which module builds the kernel of which operator. Nothing here imports tvm."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nngraph import ops
from nngraph.backends.tvm.fuse.kinds import GroupKind, kind_of
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import IndexCheck, KernelSpec, ZeroCheck
from nngraph.ir.op import Op, Trait

__all__ = ["SCALAR", "build_kernel", "is_lowered"]

# fmt: off
_MODULES: dict[str, tuple[type[Op], ...]] = {
    "product": (ops.MatMul, ops.Conv, ops.ConvInputGrad, ops.ConvWeightGrad),
    "move": (
        ops.Transpose, ops.Slice, ops.SliceUpdate, ops.Pad, ops.Concat, ops.Split, ops.Flip,
        ops.Tile, ops.BroadcastTo, ops.Full, ops.Iota, ops.Reshape,
    ),
    "index": (
        ops.Take, ops.ScatterSlices, ops.GatherElements, ops.ScatterElements,
        IndexCheck, ZeroCheck,
    ),
    "rows": (
        ops.Sort, ops.TopK, ops.CumSum, ops.CumProd, ops.ArgMax, ops.ArgMin, ops.RandomBits,
    ),
    "pool": (ops.MaxPool, ops.MaxPoolIndices, ops.MaxPoolGrad, ops.AvgPool, ops.AvgPoolGrad),
    "empty": (ops.Sum, ops.Mean, ops.Max, ops.Min, ops.Prod, ops.Any, ops.All),
}
# fmt: on
_HOME = {kind: module for module, kinds in _MODULES.items() for kind in kinds}

SCALAR = frozenset(
    kind
    for kind in ops.REGISTRY.values()
    if Trait.ELEMENTWISE in kind.traits and not kind.defines("decompose")
)
"""Operators that ``scalar`` computes element by element: all that are made of no others."""


def is_lowered(op: Op) -> bool:
    """True if there is a kernel for the operator, of its own or in a fused group."""
    return type(op) in _HOME or type(op) in SCALAR or isinstance(op, ops.Constant)


def build_kernel(spec: KernelSpec, machine: Machine) -> Any:
    """The PrimFunc of a spec for a machine."""
    if isinstance(spec.op, ops.Fused):
        body = spec.op.body.graph
        if spec.table is not None:
            return _module("body").build_listed(spec, machine)
        if kind_of(body.nodes) is GroupKind.PRODUCT:
            return _module("product").build_product_group(spec, machine)
        return _module("body").build_body(body, spec.aliases, machine)
    home = _HOME[type(spec.op)]
    return getattr(_module(home), f"build_{home}")(spec, machine)


def _module(name: str) -> Any:
    return import_module(f"nngraph.backends.tvm.lower.{name}")

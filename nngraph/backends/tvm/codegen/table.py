"""Which module builds the kernel of which operator. Nothing here imports tvm."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nngraph.backends.tvm.program.program import KernelSpec

__all__ = ["SCALAR", "build_kernel", "is_lowered"]

_MODULES = {
    "product": {"matmul", "conv", "conv_input_grad", "conv_weight_grad"},
    "move": {
        "transpose",
        "slice",
        "slice_update",
        "pad",
        "concat",
        "split",
        "flip",
        "tile",
        "broadcast_to",
        "full",
        "iota",
        "reshape",
    },
    "index": {
        "take",
        "scatter_slices",
        "gather_elements",
        "scatter_elements",
        "index_check",
        "zero_check",
    },
    "rows": {"sort", "topk", "cum_sum", "cum_prod", "arg_max", "arg_min", "random_bits"},
    "pool": {"max_pool", "max_pool_indices", "max_pool_grad", "avg_pool", "avg_pool_grad"},
    "empty": {"sum", "mean", "max", "min", "prod", "any", "all"},
}
SCALAR = frozenset(
    {
        "abs",
        "acos",
        "acosh",
        "add",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "broadcast_to",
        "cast",
        "ceil",
        "clip",
        "copy",
        "cos",
        "cosh",
        "div",
        "eq",
        "erf",
        "exp",
        "expm1",
        "floor",
        "floor_divide",
        "fmod",
        "ge",
        "gt",
        "isfinite",
        "isinf",
        "isnan",
        "le",
        "log",
        "log1p",
        "log2",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "lt",
        "maximum",
        "minimum",
        "mul",
        "ne",
        "neg",
        "pow",
        "reciprocal",
        "relu",
        "remainder",
        "reshape",
        "round",
        "rsqrt",
        "shift_left",
        "shift_right",
        "sigmoid",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "sub",
        "tan",
        "tanh",
        "trunc",
        "where",
    }
)
"""Operators that ``scalar`` computes element by element."""

_HOME = {name: module for module, names in _MODULES.items() for name in names}


def is_lowered(name: str) -> bool:
    """True if there is a kernel for the operator, of its own or in a fused group."""
    return name in _HOME or name in SCALAR or name == "constant"


def build_kernel(spec: KernelSpec) -> Any:
    """The PrimFunc of a spec."""
    op: Any = spec.op
    if op.name == "fused":
        if op.kind == "product":
            return _module("product").build_product_group(spec)
        return _module("fused").build_fused(op.body.graph, spec.aliases)
    return getattr(_module(_HOME[op.name]), f"build_{_HOME[op.name]}")(spec)


def _module(name: str) -> Any:
    return import_module(f"nngraph.backends.tvm.codegen.{name}")

"""Builders of PrimFuncs, scheduled by hand: a frozen spec in, a kernel for one shape out.

Every kernel takes its inputs in order, then its outputs, as contiguous 64-byte aligned buffers.
Buffers documented as flat take any contiguous tensor of that many elements. These modules import
tvm; `nngraph.backends.tvm.specs`, which describes kernels, does not.
"""

from __future__ import annotations

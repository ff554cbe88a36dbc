"""What a program's kernels are to the compiler: keys, and functions that build them."""

from __future__ import annotations

from typing import Any

from nngraph.backends.tvm.library import KernelRequest
from nngraph.backends.tvm.lower.table import build_kernel
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec, Program

__all__ = ["kernel_requests"]


def kernel_requests(program: Program, machine: Machine) -> list[KernelRequest]:
    """One for each of ``program.all_kernels``."""
    return [_request(spec, machine) for spec in program.all_kernels]


def _request(spec: KernelSpec, machine: Machine) -> KernelRequest:
    def build() -> Any:
        return build_kernel(spec, machine)

    return KernelRequest(spec.key, build)

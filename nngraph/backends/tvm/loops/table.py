"""Which loops are written for which machine."""

from __future__ import annotations

from nngraph.backends.tvm.loops.base import Loops
from nngraph.backends.tvm.loops.cpu import CpuLoops
from nngraph.backends.tvm.machine import Device, Machine

__all__ = ["loops_for"]


def loops_for(machine: Machine) -> Loops:
    """The loops for a machine.

    Raises:
        ValueError: for a device that has none.
    """
    if machine.device is Device.CPU:
        return CpuLoops(machine)
    raise ValueError(f"no loops are written for {machine.device}; wanted {Device.CPU}")

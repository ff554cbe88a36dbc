"""The table of all strategies, and the choice from it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.strategies.base import Strategy, cheapest, show
from nngraph.backends.tvm.strategies.body import BODIES
from nngraph.backends.tvm.strategies.conv import CONVOLUTIONS
from nngraph.backends.tvm.strategies.gemm import PRODUCTS
from nngraph.backends.tvm.strategies.pool import POOLS
from nngraph.backends.tvm.strategies.transpose import TRANSPOSES
from nngraph.backends.tvm.strategies.weight import WEIGHT_GRADIENTS

if TYPE_CHECKING:
    from nngraph.backends.tvm.loops.base import PrimFunc

__all__ = ["STRATEGIES", "build", "choose", "explain"]

STRATEGIES: tuple[Strategy[Any], ...] = (
    *PRODUCTS,
    *CONVOLUTIONS,
    *WEIGHT_GRADIENTS,
    *POOLS,
    *BODIES,
    *TRANSPOSES,
)


@functools.lru_cache(4096)
def choose(spec: Any, machine: Machine) -> Strategy[Any]:
    """The cheapest strategy that fits a spec on a machine.

    Raises:
        NoStrategy: if none does, with the reasons.
    """
    return cheapest(STRATEGIES, spec, machine)


def explain(spec: Any, machine: Machine) -> str:
    """The choice as text: each row's cost and tile, or the reason why it does not fit."""
    return show(STRATEGIES, spec, machine)


def build(spec: Any, machine: Machine, epilogue: Any = None) -> PrimFunc:
    """The kernel of a spec, by the cheapest strategy that fits."""
    from nngraph.backends.tvm.loops.table import loops_for

    return choose(spec, machine).build(spec, machine, loops_for(machine), epilogue)

"""Steps that change Python's own state, written once for PyTorch and for nngraph.

Each function takes the library (``torch`` or ``nngraph``) and gives the step, which takes a batch,
and a function that shows all that the step may have changed. ``TRACES`` says how many traces its
calls may need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Program = Callable[[Any], tuple[Callable[..., Any], Callable[[], Any]]]

PROGRAMS: dict[str, Program] = {}
TRACES: dict[str, int] = {}


def program(traces: int) -> Callable[[Program], Program]:
    def register(made: Program) -> Program:
        PROGRAMS[made.__name__] = made
        TRACES[made.__name__] = traces
        return made

    return register


def linear(t: Any) -> Any:
    """A layer with fixed weights."""
    layer = t.nn.Linear(3, 2)
    with t.no_grad():
        for p in layer.parameters():
            p.copy_(t.linspace(-0.5, 0.6, p.numel()).reshape(p.shape))
    return layer


def weights(module: Any) -> list[Any]:
    return [p.detach().tolist() for p in module.parameters()]


def lr_of(optimizer: Any) -> list[Any]:
    return [group["lr"] for group in optimizer.param_groups]

"""Functions of functions: gradients, Jacobians, maps over batches; modules as functions of their
parameters (``torch.func``).
"""

from __future__ import annotations

from nngraph.frontend.lanes.vmap import vmap
from nngraph.func.gradients import grad, grad_and_value
from nngraph.func.jacobians import hessian, jacfwd, jacrev
from nngraph.func.modules import functional_call, stack_module_state
from nngraph.func.products import functionalize, jvp, linearize, vjp

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]

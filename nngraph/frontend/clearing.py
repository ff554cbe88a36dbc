"""``zero_grad`` of one tensor."""

from __future__ import annotations

from typing import cast

from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world

__all__ = ["clear_gradient"]


def clear_gradient(tensor: Tensor, set_to_none: bool) -> None:
    """Forgets the gradient of a tensor, or fills it with zeros where there is one.

    That is no look at it: code that fills what is not there does nothing.
    """
    if set_to_none:
        tensor.grad = None
        return
    known = cast("Tensor | None", world().grad(tensor))
    if known is not None:
        with no_grad():
            known.detach_().zero_()

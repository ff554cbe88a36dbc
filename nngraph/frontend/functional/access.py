"""What functions do to tensors beyond computing: read elements, overwrite them, show other memory.

The only file of this folder, beside those that make tensors, that knows how a tensor is built.
"""

from __future__ import annotations

from typing import cast

from nngraph import ops
from nngraph.frontend.errors import Need
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.promotion import check_cast
from nngraph.frontend.record import View
from nngraph.frontend.tape import apply, root_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import bool_
from nngraph.ir.op import Array
from nngraph.ops.broadcast import BroadcastTo, Reshape

# fmt: off
__all__ = [
    "become", "elements", "is_view", "overwrite", "owned", "replace", "seen", "unmoved",
    "unrepeated", "viewed", "write_result",
]
# fmt: on


def elements(tensor: Tensor, what: str, instead: str = "") -> Array:
    """The elements as an array, for a function that prints as ``what``.

    Raises:
        ConcretizationError: while tracing; it says what to write ``instead``.
    """
    return tensor._array(Need(what, instead) if instead else Need(what))


def seen(tensor: Tensor) -> Array | None:
    """The elements if they are known; while tracing they are not."""
    return world().peek(tensor._storage, tensor._path)


def overwrite(tensor: Tensor, new: Tensor) -> Tensor:
    """Makes ``tensor`` what ``new`` is: of the same shape and dtype. Returns ``tensor``."""
    return tensor._assign(new)


def replace(tensor: Tensor, new: Tensor) -> Tensor:
    """``overwrite`` with elements that do not depend on the old ones, whose gradient is zero."""
    return tensor._replace(new)


def unmoved(result: Tensor, *operands: Tensor) -> Tensor:
    """``result`` as what was made of operands whose gradients are zero, and not none."""
    if is_grad_enabled():
        never = ops.full(False, bool_, (), result)
        for x in operands:
            if x.requires_grad and result.dtype.is_floating_point:
                result = ops.where(never, x.to(result.dtype), result)
    return result


def write_result(tensor: Tensor, result: Tensor) -> Tensor:
    """Overwrites ``tensor`` with the result of an operation on it, cast to its dtype.

    Raises:
        RuntimeError: for a result of a higher kind than the tensor's (bool < integer < floating
            point), or of another shape.
    """
    check_cast(result.dtype, tensor.dtype)
    if result.aval.shape != tensor.aval.shape:
        raise RuntimeError(
            f"output with shape {list(tensor.aval.shape)} doesn't match the broadcast shape "
            f"{list(result.aval.shape)}"
        )
    return overwrite(tensor, result.to(tensor.dtype))


def is_view(tensor: Tensor) -> bool:
    """True if the tensor shows memory of another one."""
    return tensor._view is not None


def owned(result: Tensor, *operands: Tensor) -> Tensor:
    """``result``, or a copy of it where it is one of the operands or shows another's memory.

    For functions that PyTorch copies in, also where an operand happens to be the result.
    """
    shared = is_view(result) or any(result is x for x in operands)
    return ops.copy(result) if shared else result


def viewed(result: Tensor, input: Tensor) -> Tensor:
    """``result``, or a view of all of ``input`` where it is ``input`` itself.

    For functions that PyTorch gives a view in: what changes the handle of one (``y.t_()``,
    ``y.requires_grad_()``) is nothing to the other.
    """
    return apply(Reshape(input.aval.shape), (input,))[0] if result is input else result


def unrepeated(tensor: Tensor) -> Tensor:
    """What the tensor repeats, if it is an expanded view: each element once."""
    path = tensor._path
    while path is not None and isinstance(path.op, BroadcastTo):
        path = path.under
    if path is tensor._path:
        return tensor
    base = cast("Tensor", root_of(tensor))
    return base if path is None else base._result(base._storage, View(base, path))


def become(tensor: Tensor, view: Tensor) -> Tensor:
    """The handle ``tensor`` shows what ``view``, a view of it, shows.

    Raises:
        TraceError: while tracing.
        RuntimeError: for a leaf that requires grad.
    """
    if tensor.requires_grad and tensor.is_leaf and is_grad_enabled():
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    world().become(tensor, view)
    return tensor

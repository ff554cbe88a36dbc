"""``grad`` of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from nngraph.frontend.autograd import grad as gradients_of
from nngraph.frontend.base import TensorBase
from nngraph.frontend.modes import enable_grad, is_grad_enabled
from nngraph.frontend.pytree import unflatten
from nngraph.func.inputs import Argnums, Watched, chosen, inside_of, replaced
from nngraph.ops.creation import zeros_like

__all__ = ["grad", "grad_and_value"]


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes gradients of ``func``, a function with a number as its result.

    Args:
        func: returns a tensor without axes; with ``has_aux`` that and something else.
        argnums: the arguments to differentiate, nests of tensors: an int, or several.
        has_aux: give ``(gradients, aux)``.

    Raises:
        RuntimeError: for a result that is no tensor without axes, and arguments that are no floats.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad.html
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As ``grad``, with the value: ``(gradients, value)`` or ``(gradients, (value, aux))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad_and_value.html
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        is_recorded = is_grad_enabled()
        with enable_grad():
            watched = Watched(chosen(args, argnums), "grad")
            returned = func(*replaced(args, argnums, watched.nest), **kwargs)
            value, aux = _split(returned, has_aux)
            _need_number(value)
            keep = is_recorded and not watched.are_all([value])
            found = _gradients(value, watched.tensors, keep)
        shown = inside_of((value, aux), is_recorded and keep)
        return unflatten(watched.tree, found), shown if has_aux else shown[0]

    return wrapper


def _split(returned: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return returned, None
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise RuntimeError(
            "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if "
            "has_aux is True"
        )
    return returned


def _need_number(value: Any) -> None:
    if not isinstance(value, TensorBase):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a tensor, got {type(value)}"
        )
    if value.ndim:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor "
            f"with {value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def _gradients(value: Any, tensors: list[Any], keep: bool) -> Any:
    if not value.requires_grad:
        return [zeros_like(t).detach() for t in tensors]
    return gradients_of(value, tensors, create_graph=keep, materialize_grads=True)

"""Products with Jacobians, from the left and from the right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph.frontend.autograd import grad
from nngraph.frontend.modes import enable_grad, is_grad_enabled
from nngraph.frontend.pytree import unflatten
from nngraph.func.inputs import Watched, inside_of, tensors_of
from nngraph.ops.creation import zeros_like

__all__ = ["functionalize", "jvp", "linearize", "split_aux", "vjp"]


def split_aux(returned: Any, has_aux: bool, what: str) -> tuple[Any, Any]:
    """The result and the auxiliary one.

    Raises:
        RuntimeError: for a result that is no pair, where it has to be one.
    """
    if not has_aux:
        return returned, None
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return returned


def products(
    outputs: list[Any], inputs: list[Any], seeds: list[Any], create_graph: bool
) -> tuple[Any, ...]:
    """The gradients of ``sum(<seed, output>)``; zeros where an input has no part in it."""
    pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o.requires_grad]
    if not pairs:
        return tuple(zeros_like(t).detach() for t in inputs)
    roots, given = [o for o, _ in pairs], [s for _, s in pairs]
    found: tuple[Any, ...] = grad(
        roots, inputs, given, True, create_graph=create_graph, materialize_grads=True
    )
    return found


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func``, and the function that multiplies its Jacobian from the left.

    Args:
        func: returns tensors.
        primals: where: tensors, or nests of them.
        has_aux: ``func`` returns ``(output, aux)``.

    Returns:
        ``(output, vjp_fn)``, or with ``has_aux`` ``(output, vjp_fn, aux)``. ``vjp_fn(cotangents)``
        takes what looks like the output and gives a tuple that looks like the primals. It may be
        called several times, and mapped.

    Raises:
        RuntimeError: for what is no tensor, and for cotangents that don't fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vjp.html
    """
    is_recorded = is_grad_enabled()
    with enable_grad():
        watched = Watched(primals, "vjp(f, *primals)")
        returned, aux = split_aux(func(*watched.nest), has_aux, "vjp(f, *primals)")
        outputs, tree = tensors_of(returned, "vjp(f, *primals)")
    keep = is_recorded and not watched.are_all(outputs)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        seeds, shape = tensors_of(cotangents, "vjp_fn(cotangents)")
        if shape != tree:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {shape}, primal output: {tree}"
            )
        create = is_grad_enabled() and (keep or any(s.requires_grad for s in seeds))
        found = products(outputs, watched.tensors, seeds, create or bool(create_graph))
        return unflatten(watched.tree, found)

    value, shown = inside_of((returned, aux), keep)
    return (value, vjp_fn, shown) if has_aux else (value, vjp_fn)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """The value of ``func``, and its Jacobian times ``tangents``.

    It is the gradient, for the cotangents, of their product with the Jacobian: exact wherever
    gradient rules are differentiable, as they all are.

    Args:
        func: returns tensors.
        primals: where: a tuple, of tensors or nests of them.
        tangents: what looks like the primals.
        strict: refuse outputs that do not depend on the primals.
        has_aux: ``func`` returns ``(output, aux)``.

    Returns:
        ``(output, product)``, or with ``has_aux`` ``(output, product, aux)``.

    Raises:
        RuntimeError: for what is no tensor, and for tangents that don't fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jvp.html
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to be tuples. E.g. it should "
            "be valid to call f(*primals)."
        )
    is_recorded = is_grad_enabled()
    directions, shape = tensors_of(tangents, "jvp(f, primals, tangents)")
    with enable_grad():
        watched = Watched(primals, "jvp(f, primals, tangents)")
        if shape != watched.tree:
            raise RuntimeError(
                "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
                f"structure. For example, if primals is a tuple of 3 tensors, tangents also must "
                f"be. Got {watched.tree} and {shape}"
            )
        returned, aux = split_aux(func(*watched.nest), has_aux, "jvp(f, primals, tangents)")
        outputs, tree = tensors_of(returned, "jvp(f, primals, tangents)")
        if strict and not all(o.requires_grad for o in outputs):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                "inputs. This is not allowed with strict=True."
            )
        keep = is_recorded and not watched.are_all(outputs)
        create = is_recorded and (keep or any(d.requires_grad for d in directions))
        found = _forward(outputs, watched.tensors, directions, create)
    value, shown = inside_of((returned, aux), keep)
    product = unflatten(tree, found)
    return (value, product, shown) if has_aux else (value, product)


def _forward(
    outputs: list[Any], inputs: list[Any], directions: list[Any], create_graph: bool
) -> tuple[Any, ...]:
    seeds = [zeros_like(o).detach().requires_grad_() for o in outputs]
    back = products(outputs, inputs, seeds, True)
    return products(list(back), seeds, directions, create_graph)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of ``func``, and the function that multiplies its Jacobian from the right.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.linearize.html
    """
    with enable_grad():
        watched = Watched(primals, "linearize(f, *primals)")
        returned = func(*watched.nest)
        outputs, tree = tensors_of(returned, "linearize(f, *primals)")
        seeds = [zeros_like(o).detach().requires_grad_() for o in outputs]
        back = products(outputs, watched.tensors, seeds, True)

    def jvp_fn(*tangents: Any) -> Any:
        directions, shape = tensors_of(tangents, "jvp_fn(*tangents)")
        if shape != watched.tree:
            raise RuntimeError(
                "Expected the tangents to have the same python structure as the primals. Got "
                f"{shape} and {watched.tree}"
            )
        return unflatten(tree, products(list(back), seeds, directions, False))

    return inside_of(returned, not watched.are_all(outputs)), jvp_fn


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """``func`` itself: graphs have no writes in place anyway.

    Raises:
        RuntimeError: for another ``remove`` than "mutations" and "mutations_and_views".

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functionalize.html
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove={remove!r}): remove must be 'mutations' or "
            "'mutations_and_views'"
        )
    return func

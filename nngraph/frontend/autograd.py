"""Gradients as values: ``ng.autograd.grad`` (``torch.autograd.grad``)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

from nngraph.frontend.backward import backpropagate, gradients
from nngraph.frontend.base import TensorBase, own_if_view, seed_of
from nngraph.frontend.lanes.vmap import vmap
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ops.creation import zeros_like

__all__ = ["backward", "grad", "listed"]

Tensors = TensorBase | Sequence[TensorBase]
Seeds = Tensors | Sequence[TensorBase | None] | None


def listed(value: Any) -> list[Any]:
    """A tensor, or several, as a list."""
    return [value] if isinstance(value, TensorBase) else list(value)


def _seeds(tensors: Tensors, given: Seeds) -> list[tuple[TensorBase, TensorBase | None]]:
    roots = listed(tensors)
    seeds = [None] * len(roots) if given is None else listed(given)
    if len(seeds) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(seeds)} gradients")
    for position, (root, seed) in enumerate(zip(roots, seeds, strict=True)):
        if seed is not None and seed.aval.shape != root.aval.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{position}] has a shape of {tuple(seed.shape)} "
                f"and output[{position}] has a shape of {tuple(root.shape)}."
            )
        if not root.requires_grad:
            raise RuntimeError(
                f"element {position} of tensors does not require grad and does not have a grad_fn"
            )
    return list(zip(roots, seeds, strict=True))


def grad(
    outputs: Tensors,
    inputs: Tensors | Mapping[str, TensorBase],
    grad_outputs: Seeds = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Gradients of the sum of ``outputs`` with respect to ``inputs``; no ``grad`` is changed.

    Args:
        outputs: tensors that require grad; those of several elements need ``grad_outputs``.
        inputs: leaves or results, or a dict of them.
        grad_outputs: gradients of the outputs, of their shapes.
        retain_graph: keep what is needed for another backward (default: ``create_graph``).
        create_graph: record the gradients too, for derivatives of higher order.
        only_inputs: deprecated; True.
        allow_unused: give None for an input that the outputs do not depend on.
        is_grads_batched: ``grad_outputs`` have one more axis, the first; so have the gradients.
        materialize_grads: give zeros instead of None.

    Returns:
        A tuple of gradients, or a dict where the inputs are one.

    Raises:
        RuntimeError: for no input, for one that needs no gradient or, without ``allow_unused``,
            that the outputs do not depend on.
        ValueError: for ``materialize_grads`` with ``allow_unused=False``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if not only_inputs:
        warnings.warn("only_inputs argument is deprecated and is ignored now", FutureWarning, 2)
    if isinstance(inputs, Mapping):
        names, wanted = list(inputs), list(inputs.values())
    else:
        names, wanted = [], listed(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if not all(t.requires_grad for t in wanted):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    keep = create_graph if retain_graph is None else retain_graph
    found = _found(outputs, wanted, grad_outputs, keep, create_graph, is_grads_batched)
    zeros = materialize_grads or None
    made = tuple(
        _filled(position, tensor, gradient, allow_unused, zeros)
        for position, (tensor, gradient) in enumerate(zip(wanted, found, strict=True))
    )
    return dict(zip(names, made, strict=True)) if names else made


def _found(
    outputs: Tensors, wanted: list[Any], given: Seeds, keep: bool, create: bool, batched: bool
) -> list[Any]:
    if batched:
        seeds = [None if g is None else g for g in listed(given if given is not None else [])]

        def rows(*each: Any) -> Any:
            found = _found(outputs, wanted, each, True, create, False)
            return tuple(
                zeros_like(t) if g is None else g for t, g in zip(wanted, found, strict=True)
            )

        return list(vmap(rows)(*seeds))
    roots = [(r, seed_of(r, g)) for r, g in _seeds(outputs, given)]
    found = gradients(roots, wanted, create, keep)
    return found if create else [None if g is None else own_if_view(g) for g in found]


def _filled(
    position: int, tensor: TensorBase, gradient: Any, allow_unused: bool | None, zeros: bool | None
) -> Tensor | None:
    if gradient is None and zeros:
        with no_grad():
            return cast("Tensor", zeros_like(tensor))
    if gradient is None and not allow_unused:
        raise RuntimeError(
            f"The differentiated Tensor at index {position} appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    return cast("Tensor | None", gradient)


def backward(
    tensors: Tensors,
    grad_tensors: Seeds = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Seeds = None,
    inputs: Tensors | Mapping[str, TensorBase] | None = None,
) -> None:
    """``backward`` of several tensors at once; arguments as for ``Tensor.backward``.

    Args:
        tensors: which.
        grad_tensors: their gradients.
        retain_graph: keep what is needed for another backward (default: ``create_graph``).
        create_graph: record the gradients too.
        grad_variables: deprecated for ``grad_tensors``.
        inputs: only these tensors get gradients.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, 2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    given = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    roots = [(root, seed_of(root, seed)) for root, seed in _seeds(tensors, grad_tensors)]
    keep = create_graph if retain_graph is None else retain_graph
    if roots:
        backpropagate(roots, keep, create_graph, given)

"""Gradients as values: ``ng.autograd.grad`` (``torch.autograd.grad``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nngraph.frontend.backward import backpropagate, gradients
from nngraph.frontend.base import TensorBase, own_if_view, seed_of
from nngraph.frontend.tensor import Tensor
from nngraph.ops.creation import zeros_like

__all__ = ["backward", "grad"]

Tensors = TensorBase | Sequence[TensorBase]


def _listed(value: Tensors) -> list[TensorBase]:
    return [value] if isinstance(value, TensorBase) else list(value)


def _seeds(
    tensors: Tensors, given: Tensors | Sequence[TensorBase | None] | None
) -> list[tuple[TensorBase, TensorBase | None]]:
    roots = _listed(tensors)
    seeds = (
        [None] * len(roots)
        if given is None
        else ([given] if isinstance(given, TensorBase) else list(given))
    )
    if len(seeds) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(seeds)} gradients")
    for position, root in enumerate(roots):
        if not root.requires_grad:
            raise RuntimeError(
                f"element {position} of tensors does not require grad and does not have a grad_fn"
            )
    return list(zip(roots, seeds, strict=True))


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensors | Sequence[TensorBase | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of ``outputs`` with respect to ``inputs``; no ``grad`` is changed.

    Args:
        outputs: tensors that require grad; those of several elements need ``grad_outputs``.
        inputs: leaves or results.
        grad_outputs: gradients of the outputs, of their shapes.
        retain_graph: keep what is needed for another backward (default: ``create_graph``).
        create_graph: record the gradients too, for derivatives of higher order.
        allow_unused: give None for an input that the outputs do not depend on.
        materialize_grads: give zeros instead of None.

    Raises:
        RuntimeError: for an input that needs no gradient or, without ``allow_unused``, that the
            outputs do not depend on.
    """
    wanted = _listed(inputs)
    if not all(t.requires_grad for t in wanted):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = [(r, seed_of(r, g)) for r, g in _seeds(outputs, grad_outputs)]
    keep = create_graph if retain_graph is None else retain_graph
    found = gradients(roots, wanted, create_graph, keep)
    out: list[Tensor | None] = []
    for tensor, gradient in zip(wanted, found, strict=True):
        if gradient is not None:
            out.append(cast("Tensor", own_if_view(gradient)) if not create_graph else gradient)
        elif materialize_grads:
            out.append(cast("Tensor", zeros_like(tensor)).detach())
        elif allow_unused:
            out.append(None)
        else:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
    return tuple(out)


def backward(
    tensors: Tensors,
    grad_tensors: Tensors | Sequence[TensorBase | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """``backward`` of several tensors at once; arguments as for ``Tensor.backward``."""
    roots = [(root, seed_of(root, seed)) for root, seed in _seeds(tensors, grad_tensors)]
    keep = create_graph if retain_graph is None else retain_graph
    backpropagate(roots, keep, create_graph, inputs)

"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.frontend.functional.joining import stack
from nngraph.frontend.tensor import Tensor
from nngraph.nn.modules.module import Module
from nngraph.nn.utils.stateless import call_with

__all__ = ["functional_call", "stack_module_state"]

Tensors = dict[str, Tensor]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Tensors | Sequence[Tensors],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module with other parameters and buffers; those that are not given are its own.

    Args:
        module: what to call.
        parameter_and_buffer_dicts: tensors by name, in one dict or several. What the module writes
            to a buffer is written to the given tensor.
        args, kwargs: for the call; ``args`` is a tuple, or the only argument.
        tie_weights: give a tensor to all names of a parameter that has several.
        strict: refuse names that are missing or unknown.

    Raises:
        ValueError: for a name in several dicts, and for different tensors of tied parameters.
        RuntimeError: if ``strict``, and for ``DataParallel``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        tensors = _joined(parameter_and_buffer_dicts)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return call_with(module, tensors, args, kwargs, tie_weights, strict)


def _joined(dicts: Sequence[Tensors]) -> Tensors:
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    keys = [key for d in dicts for key in d]
    repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    return {key: value for d in dicts for key, value in d.items()}


def stack_module_state(models: Sequence[Module]) -> tuple[Tensors, Tensors]:
    """Parameters and buffers of models of one class, each name's stacked along a new first axis.

    Returns:
        The parameters, new leaves that require gradients as the models' do, and the buffers.

    Raises:
        RuntimeError: without models, and for those of other classes, modes or flags.
    """
    if not len(models):
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return _stacked(parameters), _stacked(buffers)


def _stacked(dicts: Sequence[dict[str, Any]]) -> Tensors:
    found: Tensors = {}
    for name in dicts[0]:
        tensors = [d[name] for d in dicts]
        flags = {t.requires_grad for t in tensors}
        if len(flags) > 1:
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        found[name] = stack(tensors).detach().requires_grad_(flags == {True})
    return found

"""``out=``: a result that is written to a tensor which is there, by PyTorch's rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.promotion import check_cast
from nngraph.frontend.tensor import Tensor

__all__ = ["into"]


def into(
    name: str,
    target: Any,
    plain: Callable[..., Any],
    args: tuple[Any, ...],
    given: Mapping[str, Any],
) -> Any:
    """Computes, and writes what comes out to the tensors given as ``out=``.

    Args:
        name: of the function, for messages.
        target: a tensor, or a tuple of as many as the function gives.
        plain: the function.
        args, given: its other arguments.

    Raises:
        TypeError: if the targets are no tensors, or of another number.
        RuntimeError: if a gradient would be recorded, or a result is of a higher kind than its
            target (bool < integer < floating point), or of another shape and the target is an
            operand.

    Source: https://docs.pytorch.org/docs/stable/notes/out.html
    """
    targets = target if isinstance(target, tuple | list) else (target,)
    for each in targets:
        if not isinstance(each, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(each).__name__}")
    if is_grad_enabled() and any(t.requires_grad for t in _tensors((targets, args, given))):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    result = plain(*args, **given)
    parts = (result,) if isinstance(result, Tensor) else result
    for part, each in zip(parts, targets, strict=False):
        if part.aval.shape != each.aval.shape:
            _need_no_operand(each, part, (args, given))
    if isinstance(result, Tensor):
        _store(result, targets[0])
        return targets[0]
    if len(targets) != len(result):
        raise TypeError(f"{name}(): out= takes {len(result)} tensors, got {len(targets)}")
    for part, each in zip(result, targets, strict=True):
        _store(part, each)
    return type(result)(*targets)


def _need_no_operand(target: Tensor, result: Tensor, operands: Any) -> None:
    if any(t._storage is target._storage for t in _tensors(operands)):
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the shape {list(result.shape)} "
            "of the result: out= is resized only where it shares no memory with an operand"
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)


def _store(result: Tensor, target: Tensor) -> None:
    """Writes ``result``, cast, to ``target``, which takes its shape."""
    check_cast(result.dtype, target.dtype)
    if result.aval.shape == target.aval.shape:
        target.copy_(result)
        return
    if target.aval.size != 0:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(target.shape)}, which does not match the required output shape "
            f"{list(result.shape)}. Give a tensor of that shape, or of no elements.",
            stacklevel=4,
        )
    target.data = result.detach().to(target.dtype, copy=True)

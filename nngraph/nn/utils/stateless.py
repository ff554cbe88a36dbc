"""A module called with other parameters and buffers than its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nngraph.frontend.tensor import Tensor
from nngraph.nn.modules.module import Module
from nngraph.nn.parallel.data_parallel import DataParallel

__all__ = ["call_with", "functional_call"]

_MISSING = object()


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """As ``ng.func.functional_call``, under the name that PyTorch deprecated."""
    warnings.warn(
        "`nngraph.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0. Please use "
        "`nngraph.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return call_with(module, parameters_and_buffers, args, kwargs, tie_weights, strict)


def call_with(
    module: Module,
    tensors: dict[str, Tensor],
    args: Any,
    kwargs: dict[str, Any] | None,
    tie_weights: bool,
    strict: bool,
) -> Any:
    """Calls a module while it holds these tensors; see ``ng.func.functional_call``."""
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module")
    given = () if args is None else args if isinstance(args, tuple) else (args,)
    with _holding(module, tensors, tie_weights, strict):
        return module(*given, **(kwargs or {}))


@contextmanager
def _holding(
    module: Module, tensors: dict[str, Tensor], tie_weights: bool, strict: bool
) -> Iterator[None]:
    now = _tied(module, tensors) if tie_weights else tensors
    if strict:
        _need_all(module, now)
    places = {name: _place(module, name) for name in now}
    for name, tensor in now.items():
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{tensor} is not an instance of nngraph.Tensor")
        _need_tensor(places[name], name)
    before = {name: owner.get(key, _MISSING) for name, (owner, key) in places.items()}
    try:
        for name, tensor in now.items():
            owner, key = places[name]
            owner[key] = tensor
        yield
    finally:
        for name in now:
            owner, key = places[name]
            if name in tensors and key in owner:
                tensors[name] = owner[key]  # a module may have put another tensor there
            if before[name] is _MISSING:
                owner.pop(key, None)
            else:
                owner[key] = before[name]


def _place(module: Module, name: str) -> tuple[Any, str]:
    """The dict that holds a tensor, and its key there."""
    path, _, key = name.rpartition(".")
    if not key:
        raise KeyError("tensor name can't be empty string ''")
    owner = module.get_submodule(path)
    for table in (owner._parameters, owner._buffers):
        if key in table:
            return table, key
    return vars(owner), key


def _need_tensor(place: tuple[Any, str], name: str) -> None:
    found = place[0].get(place[1])
    if found is not None and not isinstance(found, Tensor):
        raise TypeError(f"attribute `{name}`: {found} is not an instance of nngraph.Tensor")


def _names(module: Module) -> dict[str, Tensor]:
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _need_all(module: Module, tensors: Mapping[str, Any]) -> None:
    own = _names(module)
    errors = []
    for word, keys in (
        ("Unexpected", [k for k in tensors if k not in own]),
        ("Missing", [k for k in own if k not in tensors]),
    ):
        if keys:
            errors.append(f"{word} key(s): {', '.join(map(repr, keys))}.")
    if errors:
        listed = "\n\t".join(errors)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{listed}")


def _tied(module: Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, also under the other names of what they stand for."""
    groups: dict[int, list[str]] = {}
    for name, tensor in _names(module).items():
        groups.setdefault(id(tensor), []).append(name)
    found = dict(tensors)
    for names in groups.values():
        given = [name for name in names if name in tensors]
        if len({id(tensors[name]) for name in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if given:
            found |= dict.fromkeys(names, tensors[given[0]])
    return found

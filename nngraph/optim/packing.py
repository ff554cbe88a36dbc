"""Optimizer state to and from PyTorch's dict format, where parameters are numbered."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.tables import Table
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import float32

__all__ = ["ParamGroup", "load_packed", "packed_state"]

#: Options by name, and `params`, a list of tensors.
ParamGroup = dict[str, Any]


def packed_state(state: dict[Any, Any], groups: list[ParamGroup]) -> dict[str, Any]:
    """``{"state": {number: {name: tensor}}, "param_groups": [...]}``; tensors are shared."""
    params = [p for group in groups for p in group["params"]]
    numbers: dict[int, int] = {}
    for param in params:
        numbers.setdefault(id(param), len(numbers))
    packed_groups = [
        {k: v for k, v in group.items() if k != "params"}
        | {"params": [numbers[id(p)] for p in group["params"]]}
        for group in groups
    ]
    packed = {numbers.get(id(key), key): value for key, value in state.items()}
    return {"state": packed, "param_groups": packed_groups}


def load_packed(
    state: dict[Any, Any],
    groups: list[ParamGroup],
    given: dict[str, Any],
    scalars: frozenset[str] = frozenset(),
) -> None:
    """Replaces state and options, in place where types fit, so that traces stay valid.

    Args:
        scalars: names of state that becomes tensors where ``given`` has Python numbers.

    Raises:
        ValueError: if the groups or their numbers of parameters differ.
    """
    saved = deepcopy(given["param_groups"])
    if len(saved) != len(groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(s["params"]) != len(g["params"]) for s, g in zip(saved, groups, strict=True)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size "
            "of optimizer's group"
        )
    pairs = zip(saved, groups, strict=True)
    param_of = {n: p for s, g in pairs for n, p in zip(s["params"], g["params"], strict=True)}
    loaded = {
        param_of.get(k, k): _as_tensors(_copied(param_of.get(k), v), scalars)
        for k, v in given["state"].items()
    }
    _keep_storages(state, loaded)
    _share_steps(loaded)
    before = dict(state)
    state.clear()
    for key, values in loaded.items():
        known = before.get(key)
        if isinstance(known, dict) and isinstance(values, dict):
            known.clear()
            known.update(values)
            state[key] = known
        else:
            state[key] = Table(values) if isinstance(values, dict) else values
    for group, options in zip(groups, saved, strict=True):
        kept = {k: group[k] for k in ("params", "param_names") if k in group}
        group.clear()
        group.update(options | {"params": kept["params"]})
        if "param_names" in kept:
            group.setdefault("param_names", kept["param_names"])


def _as_tensors(values: Any, names: frozenset[str]) -> Any:
    """State of one parameter whose Python numbers of these names are float32 tensors."""
    if not isinstance(values, dict):
        return values
    numbers = {k: v for k, v in values.items() if k in names and isinstance(v, int | float)}
    return values | {k: tensor(float(v), float32) for k, v in numbers.items()}


def _copied(param: Tensor | None, value: Any, key: str = "") -> Any:
    """A copy of saved state: tensors of floating point in the parameter's dtype."""
    if isinstance(value, np.ndarray | TensorBase):
        copy = tensor(value)
        cast = key != "step" and param is not None and copy.dtype.is_floating_point
        return copy.to(param.dtype) if cast and param is not None else copy
    if isinstance(value, dict):
        return {k: _copied(param, v, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return type(value)(_copied(param, v) for v in value)  # type: ignore[call-arg]
    return value


def _keep_storages(state: dict[Any, Any], loaded: dict[Any, Any]) -> None:
    """Writes loaded values into the tensors that are there, where all who share them agree."""
    wanted: dict[int, list[tuple[Tensor, Any, str]]] = {}
    for param, values in loaded.items():
        known = state.get(param, {}) if isinstance(values, dict) else {}
        for name, value in values.items() if isinstance(values, dict) else ():
            old = known.get(name)
            if isinstance(old, Tensor) and isinstance(value, Tensor) and old.aval == value.aval:
                wanted.setdefault(id(old), []).append((old, values, name))
    for places in wanted.values():
        old, first = places[0][0], places[0][1][places[0][2]]
        if all(np.array_equal(v[n].numpy(), first.numpy()) for _, v, n in places[1:]):
            old._write(first)
            for _, values, name in places:
                values[name] = old


def _share_steps(loaded: dict[Any, Any]) -> None:
    """Equal step counts become one tensor, which is counted once a step."""
    known: dict[Any, Tensor] = {}
    for values in loaded.values():
        step = values.get("step") if isinstance(values, dict) else None
        if isinstance(step, Tensor) and step.numel() == 1:
            values["step"] = known.setdefault((step.aval, step.item()), step)

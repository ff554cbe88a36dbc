"""Programs that run in either library, and what they say of each step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import nngraph as ng

__all__ = ["Show", "assign", "compare", "linear", "shown"]

Show = Callable[[Callable[[], Any]], None]


def shown(value: Any) -> Any:
    """Numbers of tensors, texts of what is no number."""
    if isinstance(value, torch.Tensor | ng.Tensor):
        return np.round(value.detach().numpy().astype(float), 4).tolist()
    if isinstance(value, list | tuple):
        return [shown(v) for v in value]
    if isinstance(value, dict):
        return {k: shown(v) for k, v in value.items()}
    plain = value is None or isinstance(value, str | int | float | bool)
    return value if plain else repr(value).replace("nngraph", "torch")


def _said(act: Callable[[], Any]) -> Any:
    try:
        return shown(act())
    except Exception as error:  # noqa: BLE001 - their kinds and texts are compared
        return type(error).__name__, str(error).replace("nngraph", "torch")[:150]


def compare(program: Callable[[Any, Show], None]) -> None:
    """What a program shows is the same in both libraries, and so are the errors."""
    found: list[list[Any]] = []
    for library in (torch, ng):
        steps: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program(library, lambda act, steps=steps: steps.append(_said(act)))
        found.append(steps)
    for number, (wanted, got) in enumerate(zip(*found, strict=True)):
        assert got == wanted, f"step {number}: {got}\nand not {wanted}"


def linear(f: Any, inputs: int = 3, outputs: int = 2) -> Any:
    """A layer with known weights."""
    layer = f.nn.Linear(inputs, outputs)
    with f.no_grad():
        layer.weight.copy_((f.arange(inputs * outputs).reshape(outputs, inputs) - 2.0) * 0.3)
        layer.bias.copy_(f.arange(outputs) * 0.1)
    return layer


def assign(module: Any, value: Any) -> None:
    """``module.weight = value``, as an expression."""
    module.weight = value

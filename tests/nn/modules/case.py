"""A module of PyTorch's with constructor arguments and inputs: one row of a table.

A row is short (``of("Linear", 4, 3).on(x(5, 4))``); what is held to PyTorch's follows from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["Case", "Draw", "function", "ids", "of", "positive", "shares", "signs", "x"]


@dataclass(frozen=True)
class Draw:
    """Numbers of a shape, drawn when the case runs: other rows of a table change nothing."""

    kind: Callable[[np.random.Generator, tuple[int, ...]], Any]
    shape: tuple[int, ...]
    factor: float = 1.0

    def __mul__(self, factor: float) -> Draw:
        return replace(self, factor=self.factor * factor)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        found = np.asarray(self.kind(rng, self.shape))
        return np.asarray(found * self.factor) if self.factor != 1 else found


def x(*shape: int) -> Draw:
    """Normal numbers."""
    return Draw(lambda rng, s: rng.standard_normal(s), shape)


def ids(high: int, *shape: int) -> Draw:
    """Integers below ``high``."""
    return Draw(lambda rng, s: rng.integers(0, high, s), shape)


def signs(*shape: int) -> Draw:
    """Floats that are 1 or -1."""
    return Draw(lambda rng, s: rng.choice([-1.0, 1.0], s), shape)


def shares(*shape: int) -> Draw:
    """Probabilities."""
    return Draw(lambda rng, s: rng.uniform(0.05, 0.95, s), shape)


def positive(*shape: int) -> Draw:
    """Numbers from 0.5 to 4."""
    return Draw(lambda rng, s: rng.uniform(0.5, 4.0, s), shape)


@dataclass(frozen=True)
class Case:
    """How a module is made and called.

    Attributes:
        name: of the class in ``torch.nn``.
        args, options: of the constructor; arrays become tensors.
        inputs: of a call: arrays, draws, anything; None: the module is only built.
        call: keyword arguments of a call.
        raises: whether PyTorch refuses this.
        first_only: PyTorch has no gradient of the inputs after the first.
        no_gradient: why gradients are not compared; "" where they are.
        unlike: variants of the inputs for which what PyTorch does is an accident: not compared.
        compiled: whether backends run it, too; False where it would add nothing to other rows.
        function: ``name`` is a function of ``torch.nn.functional``, and the arguments are its own.
        rough: what PyTorch's own rounding adds to the tolerance of float64.
    """

    name: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    raises: bool = False
    first_only: bool = False
    no_gradient: str = ""
    unlike: tuple[str, ...] = ()
    compiled: bool = True
    function: bool = False
    rough: float = 0.0

    @property
    def leaves(self) -> int | None:
        """How many of the inputs may take gradients; None: all."""
        return 0 if self.no_gradient else 1 if self.first_only else None

    def on(self, *inputs: Any, **call: Any) -> Case:
        """The same module, called with these inputs."""
        return replace(self, inputs=inputs, call=call)

    def but(self, **changes: Any) -> Case:
        """The same case with other attributes."""
        return replace(self, **changes)

    def drawn(self) -> list[Any]:
        """The inputs, the same ones each time."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return [v.drawn(rng) if isinstance(v, Draw) else v for v in self.inputs or ()]

    def __str__(self) -> str:
        options = {**self.options, **{f"call {k}": v for k, v in self.call.items()}}
        shown = [_text(a) for a in self.args] + [f"{k}={_text(v)}" for k, v in options.items()]
        inputs = "" if self.inputs is None else "-" + "-".join(map(_text, self.inputs))
        return f"{self.name}({', '.join(shown)}){inputs}"


def _text(value: Any) -> str:
    if isinstance(value, Draw | np.ndarray):
        return "x".join(map(str, value.shape)) or "scalar"
    return getattr(value, "__name__", None) or str(value)


def of(name: str, *args: Any, **options: Any) -> Case:
    """A module that is only built."""
    return Case(name, args, options)


def function(name: str, **options: Any) -> Case:
    """A function, with the options of its call; inputs come first."""
    return Case(name, options=options, function=True)

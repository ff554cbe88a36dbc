"""Drawing choices for a statement from what lives at that point of the program."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

__all__ = ["FLOATS", "INTEGERS", "Draw", "NothingFits", "words"]

T = TypeVar("T")
FLOATS = ("float32", "float32", "float32", "float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int64", "int32", "int16", "int8", "uint8")
SIZES = (1, 2, 2, 3, 3, 3, 4, 4, 5)
NUMBERS = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 0.1, -0.7)
SPECIAL = ("nan", "inf", "-inf", "-0.0", "0.0", "1.0")
LIMITS = ("1e15", "-1e15", "1e-45", "65504.0", "65536.0", "1e-8")


def words(text: str) -> tuple[str, ...]:
    """The words of a table."""
    return tuple(text.split())


class NothingFits(Exception):
    """No tensor of the kind that a statement wants is there: draw another statement."""


class Draw:
    """Random choices, and the tensors that statements may use.

    Attributes:
        space: names and values of the program so far, with PyTorch.
        pool: names of tensors that a statement may read.
        special: whether leaves hold NaN, infinities and limits.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.space: dict[str, Any] = {}
        self.pool: list[str] = []
        self.count = 0
        self.special = self.chance(0.12)
        self.exact = self.chance(0.4)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, *choices: T) -> T:
        return self.random.choice(choices)

    def between(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def shape(self, least: int = 0, most: int = 3) -> tuple[int, ...]:
        sizes = SIZES + ((0,) if self.chance(0.3) else ())
        rank = self.random.choice([r for r in (0, 1, 1, 2, 2, 2, 3, 3, 4) if least <= r <= most])
        return tuple(self.random.choice(sizes) for _ in range(rank))

    def number(self) -> float:
        return self.one(*NUMBERS)

    def value(self, name: str) -> torch.Tensor:
        return self.space[name]

    def fresh(self) -> str:
        """A name that nothing has."""
        self.count += 1
        return f"t{self.count}"

    # Names of live tensors.

    def tensor(self, fits: Any = None) -> str:
        """The name of a tensor; later ones more often, which makes longer chains."""
        names = [n for n in self.pool if fits is None or fits(self.value(n))]
        if not names:
            raise NothingFits
        if self.chance(0.4):
            return self.random.choice(names[-3:])
        return self.random.choice(names)

    def any(self, least: int = 0, most: int = 5) -> str:
        return self.tensor(lambda t: least <= t.ndim <= most)

    def float(self, least: int = 0, most: int = 5) -> str:
        return self.tensor(lambda t: t.is_floating_point() and least <= t.ndim <= most)

    def integer(self) -> str:
        return self.tensor(lambda t: not t.is_floating_point() and t.dtype != torch.bool)

    def bool(self) -> str:
        return self.tensor(lambda t: t.dtype == torch.bool)

    def fitting(self, name: str, fits: Any = None) -> str:
        """A tensor that broadcasts with another."""
        x = self.value(name)

        def agrees(t: torch.Tensor) -> bool:
            pairs = zip(x.shape[::-1], t.shape[::-1], strict=False)
            return all(a == b or 1 in (a, b) for a, b in pairs) and (fits is None or fits(t))

        return self.tensor(agrees)

    def covered(self, name: str) -> str:
        """A tensor that can be written to another, or a number."""
        x = self.value(name)

        def agrees(t: torch.Tensor) -> bool:
            pairs = zip(x.shape[::-1], t.shape[::-1], strict=False)
            return t.ndim <= x.ndim and all(b in (a, 1) for a, b in pairs)

        if self.chance(0.35):
            return str(self.number() if x.is_floating_point() else self.between(-3, 9))
        return self.tensor(lambda t: agrees(t) and (self.chance(0.1) or t.dtype == x.dtype))

    def dim(self, name: str) -> int:
        rank = self.value(name).ndim
        return self.between(-rank, rank - 1) if rank else self.one(0, -1)

    def dims(self, name: str) -> tuple[int, ...]:
        rank = self.value(name).ndim
        chosen = sorted(self.random.sample(range(rank), self.between(1, rank))) if rank else []
        return tuple(d - rank if self.chance(0.3) else d for d in chosen)

    # Text of values.

    def numbers(self, shape: Sequence[int], dtype: str) -> Any:
        """Nested lists of numbers as text."""
        if not shape:
            return self._element(dtype)
        return "[" + ", ".join(self.numbers(shape[1:], dtype) for _ in range(shape[0])) + "]"

    def _element(self, dtype: str) -> str:
        if dtype == "bool":
            return str(self.chance(0.5))
        if dtype in INTEGERS:
            if self.special and self.chance(0.2):
                info = torch.iinfo(getattr(torch, dtype))
                return str(self.one(info.min, info.max, info.max - 1))
            return str(self.between(0 if dtype == "uint8" else -4, 9))
        if self.special and self.chance(0.25):
            return self.one(*SPECIAL) if self.chance(0.8) else self.one(*LIMITS)
        if self.exact:
            return str(self.between(-12, 12) / 4)
        return str(round(self.random.gauss(0, 1.2), 2))

    def leaf(
        self, shape: Sequence[int], dtype: str, grad: bool = False, finite: bool = False
    ) -> str:
        """Text that makes a tensor."""
        special, self.special = self.special, self.special and not finite
        try:
            return self._leaf(shape, dtype, grad)
        finally:
            self.special = special

    def _leaf(self, shape: Sequence[int], dtype: str, grad: bool) -> str:
        ends = f", dtype=torch.{dtype}" + (", requires_grad=True" if grad else "")
        if 0 in shape:
            return f"torch.zeros({tuple(shape)}{ends})"
        return f"torch.tensor({self.numbers(shape, dtype)}{ends})"

    def indices(self, size: int, shape: Sequence[int], negative: bool = True) -> str:
        """Text of an int64 tensor of positions along an axis."""
        if size == 0:
            raise NothingFits
        least = -size if negative and self.chance(0.3) else 0

        def nested(rest: Sequence[int]) -> Any:
            if not rest:
                return self.between(least, size - 1)
            return [nested(rest[1:]) for _ in range(rest[0])]

        if 0 in shape:
            return f"torch.zeros({tuple(shape)}, dtype=torch.int64)"
        return f"torch.tensor({nested(shape)})"

"""A program as text: statements before, the statements of a step, and statements after.

Each statement stands for itself, so a program without one of them is a program again (perhaps one
that PyTorch refuses): that is all that shrinking needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["PRELUDE", "Program"]

PRELUDE = """\
import numpy as np
{library}

nn, F, optim = torch.nn, torch.nn.functional, torch.optim
nan, inf = float("nan"), float("inf")


def look(**tensors):
    return {name: (t, t.requires_grad, t.is_leaf) for name, t in tensors.items()}


def fill(module, seed):
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(rng.normal(size=tuple(p.shape)), dtype=p.dtype))
    return module
"""


@dataclass(frozen=True)
class Program:
    """Statements at module level, of ``step``, and the calls with what happens between them.

    Attributes:
        setup: make leaves, arguments, modules and optimizers.
        parameters: of ``step``.
        body: of ``step``.
        results: names that ``step`` returns.
        calls: at module level, in order.
    """

    setup: tuple[str, ...]
    parameters: tuple[str, ...]
    body: tuple[str, ...]
    results: tuple[str, ...]
    calls: tuple[str, ...]

    def step_text(self) -> str:
        """The definition of ``step``."""
        shown = ", ".join(f"{name}={name}" for name in self.results)
        lines = [*self.body, f"return look({shown})"]
        indented = ["    " + line for text in lines for line in text.split("\n")]
        return f"def step({', '.join(self.parameters)}):\n" + "\n".join(indented) + "\n"

    def text(self, backend: str | None = None) -> str:
        """The whole program, for PyTorch; compiled for a backend, if there is one."""
        library = "import torch" if backend is None else "import nngraph as torch"
        wrapped = (
            []
            if backend in (None, "eager")
            else [f'@torch.compile(backend="{backend}", keep_grads=True)']
        )
        prelude = PRELUDE.replace("{library}", library)
        parts = [prelude, *self.setup, "", *wrapped, self.step_text(), *self.calls]
        return "\n".join(parts) + "\n"

    def without(self, part: str, start: int, stop: int) -> Program:
        """The program without some neighbours of one part."""
        items = getattr(self, part)
        changes: dict[str, Any] = {part: items[:start] + items[stop:]}
        return replace(self, **changes)

    def smaller(self) -> Iterator[Program]:
        """Programs with fewer statements, those that lose most first."""
        for part in ("body", "calls", "results", "setup"):
            count = len(getattr(self, part))
            width = count
            while width:
                for start in range(0, count, width):
                    if part != "results" or width < count:
                        yield self.without(part, start, min(start + width, count))
                width //= 2
        for position, text in enumerate(self.body):
            yield from (
                replace(self, body=(*self.body[:position], shorter, *self.body[position + 1 :]))
                for shorter in _simpler(text)
            )


def _simpler(text: str) -> Iterator[str]:
    """The statement without the block around it."""
    head, _, rest = text.partition("\n")
    if head.endswith(":") and rest:
        yield "\n".join(line.removeprefix("    ") for line in rest.split("\n"))

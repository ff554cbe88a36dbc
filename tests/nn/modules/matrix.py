"""docs/modules.md: every class of torch.nn, on which backend it runs, and in which direction.

``python -m tests.nn.modules.matrix --update`` writes it. A cell says what the tables of cases hold:
each of their rows is run by ``test_eager.py`` and ``test_compiled.py`` in both directions.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch

from nngraph.backends import registry
from tests.nn.modules.absent import ABSENT_CLASSES, ABSENT_FUNCTIONS, OTHERWISE_TESTED
from tests.nn.modules.case import Case
from tests.nn.modules.tables import CASES
from tests.nn.modules.twins import pair
from tests.nn.parity import cast, outcome, to_ng

__all__ = ["PATH", "classes_of", "functions_of", "text"]

PATH = Path(__file__).resolve().parents[3] / "docs" / "modules.md"
HEAD = f"""# Modules: what runs where

Written by `python -m tests.nn.modules.matrix --update` from the tables of cases in
`tests/nn/modules/tables/`; a test compares. *forward* and *gradient* mean that cases of the class
agree with PyTorch {torch.__version__.partition("+")[0]} there: outputs, and gradients of inputs and
parameters under a random cotangent.

"""


def classes_of(library: ModuleType) -> list[str]:
    """The public classes of ``torch.nn``."""
    found = vars(library).items()
    return sorted(n for n, v in found if inspect.isclass(v) and not n.startswith("_"))


def functions_of(library: ModuleType) -> list[str]:
    """The public functions of ``torch.nn.functional``."""
    return sorted(
        name
        for name, value in vars(library).items()
        if callable(value) and not inspect.isclass(value) and not name.startswith("_")
        if getattr(value, "__module__", "") != "typing"
    )


def _differentiable(cases: list[Case]) -> bool:
    """Whether a case gives a gradient."""
    for case in cases:
        if case.raises or case.inputs is None:
            continue
        ours, _ = pair(case)
        call = {k: to_ng(v) for k, v in case.call.items()}
        parameters = list(ours.named_parameters())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = outcome(
                to_ng,
                lambda *v, m=ours, c=call: m(*v, **c),
                cast(case.drawn(), "float32"),
                parameters,
                case.leaves,
            )
        if any(name.startswith("gradient") for name in found):
            return True
    return False


def _rows() -> Iterator[tuple[str, ...]]:
    backends = ("eager", *registry.BACKENDS)
    yield ("module", *backends, "note")
    yield ("---",) * (2 + len(backends))
    for name in classes_of(torch.nn):
        cases = [case for case in CASES if case.name == name and not case.function]
        if name in ABSENT_CLASSES:
            yield (f"`{name}`", *["absent"] * len(backends), ABSENT_CLASSES[name])
        elif cases:
            both = "forward, gradient" if _differentiable(cases) else "forward"
            note = next((c.no_gradient for c in cases if c.no_gradient), "")
            yield (f"`{name}`", *[both] * len(backends), note)
        else:
            reason = OTHERWISE_TESTED.get(name, "**no case**")
            yield (f"`{name}`", *["-"] * len(backends), reason)


def text() -> str:
    """What docs/modules.md has to say."""
    table = "\n".join(f"| {' | '.join(row)} |" for row in _rows())
    functions = "\n".join(f"| `{name}` | {why} |" for name, why in sorted(ABSENT_FUNCTIONS.items()))
    return (
        f"{HEAD}{table}\n\n## Functions that are absent\n\nAll others of `torch.nn.functional` are "
        f"there.\n\n| function | reason |\n| --- | --- |\n{functions}\n"
    )


if __name__ == "__main__" and "--update" in sys.argv:
    PATH.write_text(text(), encoding="utf-8")

"""Every tensor function, once, by subject; ``Tensor``'s methods and ``ng.*`` are these functions.

See ``variants`` for what a decorator over a function says. Importing this package completes
``Tensor``: what a module declares as methods is assigned here.
"""

from __future__ import annotations

from nngraph.frontend.functional import (
    activations,
    arithmetic,
    bins,
    comparison,
    constructor,
    contraction,
    conversion,
    counts,
    creation,
    data,
    decompositions,
    devices,
    distances,
    drawing,
    extremes,
    facts,
    filling,
    gamma,
    grids,
    indexing,
    integers,
    joining,
    linalg,
    logic,
    memory,
    moving,
    numbers,
    order,
    overwriting,
    parts,
    placing,
    pointwise,
    random,
    reduction,
    running,
    scan,
    selection,
    shaping,
    special,
    spellings,
    statistics,
    systems,
    tapers,
    windows,
)
from nngraph.frontend.functional.operators import OPERATORS
from nngraph.frontend.functional.variants import assign_methods
from nngraph.frontend.tensor import Tensor

#: The files, each on one subject.
SUBJECTS = (
    activations,
    arithmetic,
    bins,
    comparison,
    constructor,
    contraction,
    conversion,
    counts,
    creation,
    data,
    decompositions,
    devices,
    distances,
    drawing,
    extremes,
    facts,
    filling,
    gamma,
    grids,
    indexing,
    integers,
    joining,
    linalg,
    logic,
    memory,
    moving,
    numbers,
    order,
    overwriting,
    parts,
    placing,
    pointwise,
    random,
    reduction,
    running,
    scan,
    selection,
    shaping,
    special,
    spellings,
    statistics,
    systems,
    tapers,
    windows,
)

__all__ = ["OPERATORS", "SUBJECTS"]

for _subject in SUBJECTS:
    assign_methods(_subject)
for _name, _operator in OPERATORS.items():
    setattr(Tensor, _name, _operator)

"""One namespace that both torch and nngraph fill, so that a model is written once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Framework:
    """What the benchmarked models and loops take from a framework, under PyTorch's names."""

    name: str
    nn: Any
    F: Any
    optim: Any
    tensor: Callable[..., Any]
    from_numpy: Callable[[Array], Any]
    arange: Callable[..., Any]
    no_grad: Callable[[], Any]


def torch_framework() -> Framework:
    """PyTorch, imported here so that only the processes which use it pay for it."""
    import torch

    return Framework(
        name="torch",
        nn=torch.nn,
        F=torch.nn.functional,
        optim=torch.optim,
        tensor=torch.tensor,
        from_numpy=torch.from_numpy,
        arange=torch.arange,
        no_grad=torch.no_grad,
    )


def nngraph_framework() -> Framework:
    """nngraph, whose names are PyTorch's."""
    import nngraph as ng
    import nngraph.nn as nn
    import nngraph.nn.functional as functional
    import nngraph.optim as optim

    return Framework(
        name="nngraph",
        nn=nn,
        F=functional,
        optim=optim,
        tensor=ng.tensor,
        from_numpy=ng.from_numpy,
        arange=ng.arange,
        no_grad=ng.no_grad,
    )


def to_numpy(value: Any) -> Array:
    """A copy of a tensor of either framework (or of anything array-like) as a NumPy array."""
    detached = value.detach() if hasattr(value, "detach") else value
    return np.array(detached.numpy() if hasattr(detached, "numpy") else detached)


def load_weights(fw: Framework, module: Any, weights: dict[str, Array]) -> None:
    """Give ``module`` the named weights.

    Raises ``RuntimeError`` (from ``load_state_dict``) when names or shapes differ.
    """
    module.load_state_dict({name: fw.tensor(array) for name, array in weights.items()})


def read_weights(module: Any) -> dict[str, Array]:
    """The module's ``state_dict`` as NumPy copies, in its order."""
    return {name: to_numpy(value) for name, value in module.state_dict().items()}

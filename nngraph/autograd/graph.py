"""The nodes that ``backward`` runs, and what is kept for them (``torch.autograd.graph``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

from nngraph.frontend.base import TensorBase
from nngraph.frontend.record import Edge, Entry, Leaf
from nngraph.frontend.tape import edge_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world

__all__ = [
    "GradientEdge",
    "Node",
    "get_gradient_edge",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]

#: What ``grad_fn`` is.
Node = Entry


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor arrives.

    Attributes:
        node: a tape entry, or what adds to the ``grad`` of a leaf.
        output_nr: which of its outputs.
        ownership_token: nothing.
    """

    node: Entry | Leaf
    output_nr: int
    ownership_token: object = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor arrives.

    Raises:
        RuntimeError: for a tensor that requires no gradient.
    """
    edge = edge_of(tensor, world())
    if edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(edge.entry, edge.index) if isinstance(edge, Edge) else GradientEdge(edge, 0)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Says that elements were changed behind the tape's back: what it saved of them is refused."""
    here = world()
    for each in (tensor,) if isinstance(tensor, TensorBase) else tensor:
        here.elements(each._storage).version += 1


@contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Iterator[None]:
    """Changes nothing: what the tape saves is in the CPU's memory anyway."""
    yield


class saved_tensors_hooks:
    """Refused: the tape keeps tensors as they are.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, pack_hook: Callable[..., Any], unpack_hook: Callable[..., Any]) -> None:
        _refuse_hooks()


def _refuse_hooks() -> NoReturn:
    raise NotImplementedError(
        "the tape keeps what it saves as it is, and calls no pack_hook: to save memory, compute "
        "again in the backward pass, ng.utils.checkpoint.checkpoint(function, *args, "
        "use_reentrant=False)"
    )

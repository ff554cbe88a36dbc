"""Applies operators to tensors and records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from nngraph.frontend.errors import OperandError
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.record import Edge, Entry, Handle, Leaf, Saved, View
from nngraph.frontend.storage import Path, Payload, Storage
from nngraph.frontend.views import VIEWS
from nngraph.frontend.world import World, world
from nngraph.ir.op import Op, Trait
from nngraph.ir.refusals import REFUSALS, refusal
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.ops.broadcast import Sum
from nngraph.ops.elementwise.arithmetic import Add, Copy, Neg, Sub
from nngraph.ops.elementwise.select import Cast
from nngraph.ops.reduce.folds import Mean

__all__ = ["Operand", "apply", "edge_of", "inference_used", "need_no_inference", "root_of", "save"]


class Operand(Protocol):
    """What operators are applied to: a tensor, or in a gradient rule one version of it."""

    @property
    def aval(self) -> TensorType: ...
    def _read(self, here: World) -> Payload: ...
    def _edge_in(self, here: World) -> Edge | Leaf | None: ...
    def _saved(self, here: World, edge: Edge | Leaf | None) -> Saved: ...
    def _as_tensor(self) -> Handle: ...


def apply(op: Op, operands: Sequence[Operand]) -> tuple[Any, ...]:
    """Computes (eagerly) or adds a node (while tracing), and records if a gradient is wanted.

    Raises:
        OperandError: if the operands' types don't fit.
        IndexRangeError, ValueRangeError, IntegerDivisionError: if an element of theirs does not.
    """
    here = world()
    try:
        parts = here.run(op, operands, [o._read(here) for o in operands])
    except TypeMismatch as error:
        raise OperandError(f"{error}{here.place()}") from None
    except REFUSALS as error:
        raise refusal(error, here.place()) from None
    made = Handle._result
    if isinstance(op, VIEWS):
        outs = _views(here, op, operands[0]._as_tensor(), parts)
    else:
        outs = [made(here.hold(part)) for part in parts]
    if op.differentiable and is_grad_enabled():
        edges = [o._edge_in(here) for o in operands]
        if any(edges):
            inputs = [o._saved(here, e) for o, e in zip(operands, edges, strict=True)]
            if inference_used:
                need_no_inference(op, inputs)
            outputs = [save(here, o, None) for o in outs]
            entry = Entry(op, inputs, outputs, here.origin_of(parts), here.level)
            for index, out in enumerate(outs):
                if out.aval.dtype.is_floating_point:
                    out._edge = Edge(entry, index)
    return tuple(outs)


#: Not empty once code ran in inference mode.
inference_used: list[bool] = []
#: Operators whose gradients read no operand.
_LINEAR = (Add, Cast, Copy, Mean, Neg, Sub, Sum)


def need_no_inference(op: Op, inputs: Sequence[Saved]) -> None:
    """Refuses to save what inference mode made, where the operator's gradient reads it.

    Raises:
        RuntimeError: as PyTorch says it.
    """
    if isinstance(op, _LINEAR) or Trait.SHAPE in op.traits:
        return
    if any(s.storage is not None and s.storage.inference for s in inputs):
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
            "inference mode in computation tracked by autograd. To work around this, you can make "
            "a clone() to get a normal tensor and use it in autograd, or use no_grad() instead of "
            "inference_mode()."
        )


def _views(here: World, op: Op, tensor: Handle, parts: Sequence[Payload]) -> list[Any]:
    base, storage, made = root_of(tensor), tensor._storage, Handle._result
    outs: list[Any] = []
    for part, path in zip(parts, here.paths(op, storage, tensor._path, parts), strict=True):
        if path is None:
            outs.append(made(here.hold(part)))
        else:
            out = made(storage, View(base, path))
            out._seen = here.edge(base)
            outs.append(out)
    return outs


def root_of(tensor: Handle) -> Handle:
    """The tensor whose history ``tensor`` shares: its base, or itself if it is no view."""
    while tensor._view is not None:
        tensor = tensor._view.base
    return tensor


def save(here: World, tensor: Handle, edge: Edge | Leaf | None) -> Saved:
    """A version of a tensor, for the tape."""
    storage, view = tensor._storage, tensor._view
    return Saved(storage, here.elements(storage), None if view is None else view.path, edge)


def edge_of(tensor: Handle, here: World) -> Edge | Leaf | None:
    """What ``backward`` runs for the tensor; a view follows what is assigned to its base."""
    edge = here.edge(tensor)
    if tensor._view is None or isinstance(edge, Leaf):
        return edge
    base = root_of(tensor)
    now = here.edge(base)
    if now is None or now is here.seen(tensor):
        return edge  # a view keeps the history that its base forgot
    fresh = _view_edge(here, base._storage, tensor._view.path, now)
    here.set_edge(tensor, fresh, now)
    return fresh


def _view_edge(here: World, storage: Storage, path: Path, base: Edge | Leaf) -> Edge:
    """The edge of a view whose base was assigned since: its operators, recorded anew."""
    under = base if path.under is None else _view_edge(here, storage, path.under, base)
    elements = here.elements(storage)
    kind = storage.type if path.under is None else path.under.type
    outs = [
        Saved(storage, elements, Path(path.under, path.op, index, each), None)
        for index, each in enumerate(path.op.infer(kind))
    ]
    inputs = [Saved(storage, elements, path.under, under)]
    level = getattr(elements.value, "level", None)
    entry = Entry(path.op, inputs, outs, here.here(), level)
    return Edge(entry, path.index)

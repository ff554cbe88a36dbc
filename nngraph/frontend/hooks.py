"""Functions that run when a gradient of a tensor is known: their tables, handles and methods.

A hook of a leaf stands at the leaf; one of a result stands at the tape entry that made it, as in
PyTorch: an assignment in place gives the tensor another history, which the hook does not follow.
While a function is traced, a hook runs once, on gradients of the graph: what it computes is
compiled.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#backward-hooks-execution
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from nngraph.frontend.handles import RemovableHandle, added
from nngraph.frontend.record import Edge, EntryHooks, Handle, LeafHooks
from nngraph.frontend.tape import edge_of
from nngraph.frontend.world import world

__all__ = [
    "HookedTensor",
    "keep_retaining",
    "run_after",
    "run_after_adding",
    "run_before",
    "run_on_leaf",
]


class HookedTensor(Handle):
    """What of ``Tensor`` asks for gradients when they are computed."""

    __slots__ = ()

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Calls ``hook(grad)`` when the gradient of this tensor is known, before it is used.

        Args:
            hook: may return a tensor of the same type, which takes the gradient's place.

        Raises:
            RuntimeError: for a tensor that requires no gradient.
            TraceError: in a trace, for a leaf from outside.
        """
        here = world()
        edge = edge_of(self, here)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if isinstance(edge, Edge):
            return added(edge.entry.hooks_made().of_output(edge.index), hook)
        return added(here.new_hooks(self).before, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Calls ``hook(tensor)`` after ``backward`` added to the gradient of this leaf.

        Raises:
            RuntimeError: for a tensor that requires no gradient, or is no leaf.
            TraceError: in a trace, for a leaf from outside.
        """
        here = world()
        edge = edge_of(self, here)
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if isinstance(edge, Edge):
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        return added(here.new_hooks(self).after, hook)

    def retain_grad(self) -> None:
        """Makes ``backward`` leave the gradient in ``grad`` though this is no leaf.

        Raises:
            RuntimeError: for a tensor that requires no gradient.
        """
        edge = edge_of(self, world())
        if edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if isinstance(edge, Edge):
            edge.entry.hooks_made().retained.setdefault(edge.index, []).append(weakref.ref(self))

    @property
    def retains_grad(self) -> bool:
        """Whether this is no leaf, and ``retain_grad`` was called."""
        edge = edge_of(self, world())
        if not isinstance(edge, Edge) or edge.entry.hooks is None:
            return False
        return any(r() is self for r in edge.entry.hooks.retained.get(edge.index, ()))


def keep_retaining(tensor: HookedTensor, before: object) -> None:
    """After an assignment in place: what retained its gradient does so with its new history."""
    if isinstance(before, Edge) and before.entry.hooks is not None:
        kept = before.entry.hooks.retained.get(before.index, [])
        if any(r() is tensor for r in kept):
            kept[:] = [r for r in kept if r() is not tensor]
            tensor.retain_grad()


# -- running ---------------------------------------------------------------------------------
def run_on_leaf(hooks: LeafHooks, gradient: Any) -> Any:
    """The gradient of a leaf as its hooks leave it."""
    for hook in list(hooks.before.values()):
        gradient = _replaced(hook, gradient, hook(gradient))
    return gradient


def run_after_adding(leaf: Handle) -> None:
    """The hooks of a leaf to whose gradient ``backward`` added.

    Raises:
        TypeError: for one that returns something.
    """
    hooks = world().hooks(leaf)
    for hook in list(hooks.after.values()) if hooks is not None else ():
        found = hook(leaf)
        if found is not None:
            raise TypeError(f"expected Variable, but hook returned '{type(found).__name__}'")


def run_before(hooks: EntryHooks, grads: list[Any], wanted_rule: bool) -> list[Any]:
    """The gradients of an entry's outputs as the hooks of its outputs leave them.

    Args:
        hooks: of the entry.
        grads: of the outputs; None where there is none.
        wanted_rule: whether the entry's rule runs: then its own hooks run, too.

    Raises:
        RuntimeError, TypeError: for what a hook returned and can't.
    """
    grads = list(grads)
    for index, table in hooks.outputs.items():
        for hook in list(table.values()):
            grads[index] = _replaced(hook, grads[index], hook(grads[index]))
    for index, kept in hooks.retained.items():
        for reference in kept:
            tensor = reference()
            if tensor is not None and grads[index] is not None:
                _retain(tensor, grads[index])
    for hook in list(hooks.before.values()) if wanted_rule else ():
        grads = _all_replaced(hook, grads, hook(tuple(grads)))
    return grads


def run_after(hooks: EntryHooks, found: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
    """The gradients of an entry's inputs as its hooks leave them."""
    now = list(found)
    for hook in list(hooks.after.values()):
        now = _all_replaced(hook, now, hook(tuple(now), tuple(grads)))
    return now


def _retain(tensor: Any, gradient: Any) -> None:
    here = world()
    known = here.grad(tensor)
    if known is None:
        tensor.grad = type(gradient)(here.copied(gradient._read(here)))
    else:
        tensor.grad = known + gradient


def _all_replaced(hook: Callable[..., Any], grads: list[Any], found: Any) -> list[Any]:
    if found is None:
        return grads
    if not isinstance(found, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(found).__name__}'")
    if len(found) != len(grads):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(found)}, "
            f"but expected {len(grads)})"
        )
    return [_replaced(hook, g, new) for g, new in zip(grads, found, strict=True)]


def _replaced(hook: Callable[..., Any], gradient: Any, found: Any) -> Any:
    """What a hook returned in place of a gradient, if anything."""
    if found is None:
        return gradient
    if not isinstance(found, Handle):
        raise TypeError(f"expected Variable, but hook returned '{type(found).__name__}'")
    if gradient is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if found.aval.dtype != gradient.aval.dtype:
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the type of value (was {gradient.aval.dtype.name} "
            f"got {found.aval.dtype.name})"
        )
    if found.aval.shape != gradient.aval.shape:
        raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")
    return found


def _name(hook: Callable[..., Any]) -> str:
    return getattr(hook, "__name__", type(hook).__name__)

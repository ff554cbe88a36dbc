"""Traces for files: what a file can do, the same at each run, or the reason why it cannot."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nngraph.frontend.capture.arguments import InputName
from nngraph.frontend.capture.effects import NumberReturned, Returned, SizeReturned
from nngraph.frontend.capture.recorder import Assumed
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.tracing import trace_arguments
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.errors import TraceError, summary_of
from nngraph.frontend.modes import no_grad
from nngraph.frontend.pytree import flatten, plain, unflatten
from nngraph.frontend.scheduled import AfterEach
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature
from nngraph.runtime.bundle.results import Structure, structure_of

__all__ = ["Wanted", "arguments_of", "dense", "file_trace", "result_of"]


@dataclass(frozen=True)
class Wanted:
    """What shall be in a file: a function for some arguments (if none, those of its last call)."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    steps: int | None

    def traced(self, after: AfterEach | None = None, in_graph: bool = False) -> Traced:
        """A trace whose file does the same at each run, as far as it can be."""
        assumed = Assumed(numbers_in_graph=in_graph, steps=self.steps)
        traced = self._traced(assumed, after)
        owners = [once.owner for once in traced.once if once.lasts and once.grows]
        if owners:
            growing = frozenset(id(owner()) for owner in owners if owner is not None)
            traced = self._traced(replace(assumed, growing=growing), after)
        return traced

    def _traced(self, assumed: Assumed, after: AfterEach | None) -> Traced:
        function, kwargs = self.function, self.kwargs
        inner = function.function if isinstance(function, CompiledFunction) else function
        added = {} if after is None else after.arguments(inner)
        traced = inner if after is None else after.following(inner)
        if isinstance(function, CompiledFunction):
            if not self.args and not kwargs:
                return function.next_trace(assumed, None if after is None else traced, added)
            return trace_arguments(traced, self.args, kwargs | added, assumed)
        with no_grad():
            return trace_arguments(traced, self.args, kwargs | added, assumed)


def file_trace(wanted: Wanted, schedule: Any = None, every: int = 1) -> tuple[Traced, bool]:
    """The trace of what shall be in a file, and whether the steps of the schedule are in it.

    Raises:
        RuntimeError: if a compiled function was neither called nor given arguments.
        ValueError: if the function changes what only Python has, does something else at its second
            call, or has no results.
    """
    traced, is_inside = _scheduled(wanted, schedule, every)
    for line in traced.told:
        warnings.warn(line, UserWarning, stacklevel=3)
    _refuse_useless(traced)
    return traced, is_inside


def _scheduled(wanted: Wanted, schedule: Any, every: int) -> tuple[Traced, bool]:
    """The trace with the steps of a schedule in it; without them, if no graph computes these."""
    if schedule is not None:
        after = AfterEach(schedule, every)
        why: list[str] = []
        traced = _in_graph(wanted, why, after)
        if traced is not None:
            _refuse_host(traced)
            return traced, True
        warnings.warn(
            f"the schedule is not in the file, and what it sets is an input: {why[0]}. "
            "(`schedule_steps=n` puts n values of a function that no graph computes there.)",
            UserWarning,
            stacklevel=4,
        )
    why = []
    try:
        traced = wanted.traced()
    except TraceError:  # the step of a schedule that looks at a tensor, say
        traced = _in_graph(wanted, why)
        if traced is None:
            raise
    else:
        returned = any(isinstance(effect, NumberReturned) for effect in traced.effects)
        given = traced.numbers.box is not None
        if given:  # what Python makes of them has to be nodes
            traced = wanted.traced(in_graph=True)
        elif traced.on_host or returned:
            traced = _in_graph(wanted, why) or traced
    _refuse_host(traced, why)
    return traced, False


def _in_graph(wanted: Wanted, why: list[str], after: AfterEach | None = None) -> Traced | None:
    """The trace with Python's numbers as states; None, and the reason, where that cannot be."""
    try:
        return wanted.traced(after, in_graph=True)
    except TraceError as error:
        why.append(summary_of(error))
        return None


def _refuse_useless(traced: Traced) -> None:
    _refuse_once(traced)
    if not traced.signature.outputs and not traced.signature.changed:
        raise ValueError(
            "the function returns no tensor and changes no state: there is nothing that a file of "
            "it could compute. Return the tensors that the file shall give"
        )


def _refuse_host(traced: Traced, why: Sequence[str] = ()) -> None:
    if traced.on_host:
        raise ValueError(
            "the function changes Python's own objects, which a file does not have:\n    "
            + "\n    ".join([*traced.on_host, *why])
            + "\nNumbers that it changes at each call are state of the file; keep what else it "
            "keeps in tensors that exist before (`self.h.copy_(h)`), and call the function once "
            "before exporting it where only its first call makes something"
        )


def _refuse_once(traced: Traced) -> None:
    differences = [once.text for once in traced.once if once.lasts]
    if differences:
        raise ValueError(
            "a file computes the same at each call, and this function does something else at its "
            "second one:\n    " + "\n    ".join(differences) + "\nCall the "
            "function once before exporting it where only its first call differs, clear gradients "
            "at its start (`optimizer.zero_grad()`), and switch modes and requires_grad outside"
        )


def dense(array: Array | None) -> Array:
    """The elements of a lasting tensor, contiguous."""
    assert array is not None
    return np.ascontiguousarray(array).reshape(array.shape)


class _Name(str):
    """The name of an input or output, among the leaves of a call."""


def arguments_of(traced: Traced, signature: Signature) -> Structure:
    """The structure of the arguments, with names of inputs."""
    labels = [value.hint for value in traced.graph.inputs]
    names = {a: _Name(p.name) for a, p in zip(labels, signature.inputs, strict=True)}
    leaves: list[Any] = []
    tree = flatten(traced.call, leaves)
    found = [names.get(leaf) if isinstance(leaf, InputName) else leaf for leaf in leaves]
    return structure_of(plain(unflatten(tree, found)), _Name, "input")


def result_of(traced: Traced, signature: Signature) -> Structure:
    """The structure of the result, with names of outputs."""
    labels = traced.graph.labels
    places = [i for i, label in enumerate(labels) if label.role is Role.RESULT]
    results = signature.with_role(Role.RESULT)
    names = {i: _Name(port.name) for i, port in zip(places, results, strict=True)}
    leaves = list(traced.leaves)
    for effect in traced.effects:
        if isinstance(effect, Returned | SizeReturned):
            leaves[effect.leaf] = names[effect.output]
    nest = unflatten(traced.result, leaves)
    return structure_of(plain(nest), _Name, "output")

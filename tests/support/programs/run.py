"""Running a program with PyTorch or with nngraph, looking at everything after each statement."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from tests.support.programs.program import PRELUDE, Program

__all__ = ["Look", "Trail", "run"]

# What a look found, by path: `r0.a` is an array with its dtype's name, `w0.requires_grad` a bool.
Look = dict[str, Any]


@dataclass
class Trail:
    """What a run left: one look after each call, and the errors.

    Attributes:
        looks: after each statement of the program's calls.
        errors: by the position of the statement that raised.
        changed: positions of statements that raised and had changed something.
    """

    looks: list[Look] = field(default_factory=list)
    errors: dict[int, Exception] = field(default_factory=dict)
    changed: dict[int, str] = field(default_factory=dict)


def run(
    program: Program, library: ModuleType, backend: str = "eager", whole: bool = False
) -> Trail:
    """Runs a program.

    Args:
        program: what to run.
        library: ``torch`` or ``nngraph``.
        backend: compiles ``step``, if not "eager" (nngraph only).
        whole: a step changes everything or, if it raises, nothing, and its results are new tensors:
            what a compiled function promises, for PyTorch to be compared with.

    Raises:
        Exception: what the setup raises.
    """
    space: dict[str, Any] = {"torch": library, "__name__": "program"}
    trail = Trail()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _execute("\n".join([PRELUDE.replace("{library}", ""), *program.setup]), space)
        _execute(program.step_text(), space)
        if backend != "eager":
            space["step"] = library.compile(space["step"], backend=backend, keep_grads=True)
        for position, text in enumerate(program.calls):
            before = look(space) if whole or backend != "eager" else None
            kept = _Kept(space) if whole else None
            try:
                _execute(text, space)
            except Exception as error:  # noqa: BLE001 - any error is a finding
                error.__traceback__ = None
                trail.errors[position] = error
                if kept is not None:
                    kept.put_back()
                elif before is not None:
                    trail.changed[position] = first_change(before, look(space))
            if whole and position not in trail.errors:
                _renew(space, text)
            trail.looks.append(look(space))
    return trail


def _execute(text: str, space: dict[str, Any]) -> None:
    exec(compile(text, "program", "exec"), space)


def first_change(before: Look, after: Look) -> str:
    """The first path that two looks do not agree on, or nothing."""
    for path in sorted({*before, *after}):
        a, b = before.get(path), after.get(path)
        if isinstance(a, tuple) and isinstance(b, tuple):
            if a[0] == b[0] and a[1].tobytes() == b[1].tobytes() and a[1].shape == b[1].shape:
                continue
        elif a == b and type(a) is type(b):
            continue
        return f"{path}: {a} became {b}"
    return ""


def _renew(space: dict[str, Any], text: str) -> None:
    """Results of a step become new tensors; what it wrote keeps its history, compiled too."""
    name, _, call = text.partition(" = ")
    if call.startswith("step(") and name.isidentifier():
        space[name] = {k: (v[0].detach().clone(), *v[1:]) for k, v in space[name].items()}


def look(space: dict[str, Any]) -> Look:
    """Everything that a program's names reach."""
    found: Look = {}
    for name, value in space.items():
        if name not in _OWN and not name.startswith("__"):
            found.update(_facts(name, value))
    return found


_OWN = {"_", "torch", "np", "nn", "F", "optim", "nan", "inf", "look", "fill", "step"}


def _facts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "requires_grad_") and hasattr(value, "detach"):
        yield from _tensor(path, value)
    elif isinstance(value, dict):
        for key in value:
            yield from _facts(f"{path}.{key}", value[key])
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _facts(f"{path}.{position}", item)
    elif hasattr(value, "load_state_dict"):
        yield from _facts(path, dict(value.state_dict()))
        for name, parameter in getattr(value, "named_parameters", dict)():
            yield from _tensor(f"{path}.{name}", parameter)
    elif not callable(value) and value is not None:
        yield path, value


def _tensor(path: str, t: Any) -> Iterator[tuple[str, Any]]:
    yield path, numbers(t)
    if not path.startswith("r"):  # results of steps tell their own
        yield f"{path}.requires_grad", t.requires_grad
        yield f"{path}.is_leaf", t.is_leaf
    if not path.startswith("r") and t.is_leaf:
        yield f"{path}.grad", None if t.grad is None else numbers(t.grad)


def numbers(t: Any) -> tuple[str, Any]:
    """The dtype's name and the elements; NumPy has no bfloat16, so these are widened."""
    name = str(t.dtype).rpartition(".")[2]
    t = t.detach()
    if name == "bfloat16":
        t = t.float()
    return name, np.array(t.numpy(), copy=True)


class _Kept:
    """PyTorch's tensors, modules and optimizers as they were."""

    def __init__(self, space: dict[str, Any]) -> None:
        torch = space["torch"]
        self.undo: list[Callable[[], Any]] = []
        for name, value in list(space.items()):
            if isinstance(value, torch.Tensor):
                self._tensor(value)
            elif isinstance(value, torch.nn.Module):
                for t in (*value.parameters(), *value.buffers()):
                    self._tensor(t)
                for module in value.modules():
                    self.undo.append(_setter(module, "training", module.training))
            elif isinstance(value, torch.optim.Optimizer):
                saved = [(key, copy.deepcopy(state)) for key, state in value.state.items()]
                self.undo.append(lambda o=value, s=saved: _restore(o, s))
            elif name not in _OWN:
                self.undo.append(lambda n=name, v=value: space.__setitem__(n, v))

    def _tensor(self, t: Any) -> None:
        saved, grad = t.detach().clone(), t.grad
        grad = None if grad is None else grad.detach().clone()
        kind = t.requires_grad if t.is_leaf else None

        def undo() -> None:
            t.data.copy_(saved)
            if kind is not None and not t.is_leaf:  # it was given a history
                t.detach_()
            if t.is_leaf:
                t.grad = grad
            if kind is not None and t.is_leaf:
                t.requires_grad_(kind)

        self.undo.append(undo)

    def put_back(self) -> None:
        for undo in self.undo:
            with contextlib.suppress(RuntimeError):
                undo()


def _setter(target: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(target, name, value)


def _restore(optimizer: Any, saved: list[tuple[Any, Any]]) -> None:
    optimizer.state.clear()
    optimizer.state.update(saved)

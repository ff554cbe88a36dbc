"""The backward hooks of one call of a module."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.creation import zeros_like
from nngraph.frontend.joint import joined
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.record import Entry

__all__ = ["BackwardHook", "hook_last_entry"]

Hook = Callable[..., Any]


class BackwardHook:
    """Full backward hooks: called when the gradients of a module's inputs are known.

    The tensors among the inputs go through one entry of the tape, those among the outputs through
    another. What the hooks return takes the gradients' place.

    Args:
        module: whose call it is.
        user_hooks: called with the gradients of inputs and of outputs.
        user_pre_hooks: called with the gradients of outputs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    def __init__(
        self, module: object, user_hooks: Sequence[Hook], user_pre_hooks: Sequence[Hook]
    ) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Any = None
        self._inputs: list[Any] = []  # a tensor for each input that is one, None for others
        self._has_inputs = False  # that require a gradient
        self._outputs: list[int] = []
        self._n_outputs = 0

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments to call the forward with."""
        made: tuple[Any, ...]
        made, entry = _through(args)
        self._inputs = [v if isinstance(v, TensorBase) else None for v in made]
        if entry is not None:
            self._has_inputs = True
            entry.register_hook(self._at_inputs)
        return made

    def setup_output_hook(self, result: Any) -> Any:
        """The result to give to the caller."""
        single = not isinstance(result, tuple)
        made, entry = _through((result,) if single else result)
        if entry is None:
            return result
        self._outputs = [i for i, v in enumerate(made) if isinstance(v, TensorBase)]
        self._n_outputs = len(made)
        entry.register_hook(self._at_outputs)
        return made[0] if single else made

    def _at_outputs(self, _: Any, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        packed = [None] * self._n_outputs
        for index, gradient in zip(self._outputs, grads, strict=True):
            packed[index] = gradient
        self.grad_outputs = tuple(packed)
        for hook in self.user_pre_hooks:
            found = hook(self.module, self.grad_outputs)
            if found is not None:
                _need_count(found, len(packed), "pre hook returned", "grad_output")
                self.grad_outputs = found
        grad_outputs = self.grad_outputs
        if not self._has_inputs:
            self._without_inputs()
        return tuple(grad_outputs[i] for i in self._outputs)

    def _without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
            "register_full_backward_hook for more details.",
            stacklevel=5,
        )
        for hook in self.user_hooks:
            found = hook(self.module, (None,) * len(self._inputs), self.grad_outputs)
            if found is not None and not (
                isinstance(found, tuple) and all(each is None for each in found)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None

    def _at_inputs(self, grads: tuple[Any, ...], _: Any) -> tuple[Any, ...] | None:
        if self.grad_outputs is None:  # the gradient did not come through the outputs
            return None
        places = [i for i, t in enumerate(self._inputs) if t is not None]
        given = dict(zip(places, grads, strict=True))
        found: Any = tuple(
            None if t is None else _filled(given[i], t) for i, t in enumerate(self._inputs)
        )
        for hook in self.user_hooks:
            changed = hook(self.module, found, self.grad_outputs)
            if changed is not None:
                _need_count(changed, len(found), "hook returned", "grad_input")
                found = changed
        self.grad_outputs = None
        return tuple(None if g is None else found[i] for i, g in given.items())


def _through(args: tuple[Any, ...]) -> tuple[Any, Entry | None]:
    """The tensors among some values under one entry, if one of them requires a gradient."""
    places = [i for i, v in enumerate(args) if isinstance(v, TensorBase)]
    if not is_grad_enabled() or not any(args[i].requires_grad for i in places):
        return args, None
    made, entry = joined([args[i] for i in places])
    parts = list(args)
    for place, tensor in zip(places, made, strict=True):
        parts[place] = tensor
    return (tuple(parts) if type(args) is tuple else type(args)(*parts)), entry


def _filled(gradient: Any, tensor: Any) -> Any:
    return zeros_like(tensor.detach()) if gradient is None else gradient


def _need_count(found: Any, count: int, what: str, of: str) -> None:
    if len(found) != count:
        raise RuntimeError(
            f"Backward {what} an invalid number of {of}, got {len(found)}, but expected {count}"
        )


# -- not full: at the last entry of the forward --------------------------------------------------
def hook_last_entry(
    module: object, hooks: Sequence[Hook], args: tuple[Any, ...], result: Any
) -> None:
    """Registers hooks at the tape entry that made the result of a forward."""
    found = result
    while not isinstance(found, TensorBase):
        if isinstance(found, dict):
            found = next(v for v in found.values() if isinstance(v, TensorBase))
        else:
            found = found[0]
    entry = found.grad_fn
    if entry is None:
        return
    for hook in hooks:
        entry.register_hook(_Given(hook, module))
    text = _what_is_missing(args, result, entry)
    if text:
        warnings.warn(text, FutureWarning, stacklevel=4)


class _Given:
    """A hook that is given its module first."""

    def __init__(self, hook: Hook, module: object) -> None:
        self.hook = hook
        self.module = module
        self.__name__ = getattr(hook, "__name__", type(hook).__name__)

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)


_MODULE = (
    "Using non-full backward hooks on a Module that does not {} single Tensor or a tuple of "
    "Tensors is deprecated and will be removed in future versions. This hook will be missing some "
    "of the {}. Please use register_full_backward_hook to get the documented behavior."
)
_WHEN = (
    "Using a non-full backward hook when {} is deprecated and will be removed in future versions. "
    "This hook will be missing some {}."
)
_USE = " Please use register_full_backward_hook to get the documented behavior."


def _what_is_missing(args: tuple[Any, ...], result: Any, entry: Entry) -> str:
    """PyTorch's warning about gradients that such a hook does not get; empty if it gets all."""
    results = (result,) if isinstance(result, TensorBase) else result
    if not isinstance(results, tuple) or not all(isinstance(r, TensorBase) for r in results):
        return _MODULE.format("return a", "grad_output")
    if not all(isinstance(a, TensorBase) for a in args):
        return _MODULE.format("take as input a", "grad_input")
    entries = {r.grad_fn for r in results if r.grad_fn is not None}
    if not entries or (len(entries) == 1 and entry not in entries):
        return _WHEN.format("outputs are nested in python data structure", "grad_output")
    if len(entries) > 1:
        what = "outputs are generated by different autograd Nodes"
        return _WHEN.format(what, "grad_output") + _USE
    if {a.grad_fn for a in args if a.grad_fn is not None} != {n for n, _ in entry.next_functions}:
        what = "the forward contains multiple autograd Nodes"
        return _WHEN.format(what, "grad_input") + _USE
    return ""

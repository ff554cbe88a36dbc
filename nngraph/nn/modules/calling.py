"""One call of a module that has hooks, in PyTorch's order."""

from __future__ import annotations

import warnings
from typing import Any

from nngraph.frontend.base import TensorBase
from nngraph.nn.modules.backward import BackwardHook, hook_last_entry
from nngraph.nn.modules.every import SHARED

__all__ = ["Call"]


class Call:
    """Runs the hooks and the forward.

    Args:
        module: whose forward it is.
        args, kwargs: for it; hooks may replace them.
    """

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self._done: set[int] = set()

    def run(self) -> Any:
        """The result as hooks leave it."""
        try:
            return self._run()
        except Exception:
            self._always()
            raise

    def _run(self) -> Any:
        module = self.module
        full, others = module._get_backward_hooks()
        before = module._get_backward_pre_hooks()
        self._before()
        backward = BackwardHook(module, full, before) if full or before else None
        if backward is not None:
            self.args = backward.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._after()
        if backward is not None:
            if not isinstance(self.result, TensorBase | tuple):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple "
                    f"of Tensors but received {type(self.result)}",
                    stacklevel=5,
                )
            self.result = backward.setup_output_hook(self.result)
        if others:
            hook_last_entry(module, others, self.args, self.result)
        return self.result

    def _before(self) -> None:
        module = self.module
        for key, hook in (*SHARED.forward_pre.items(), *module._forward_pre_hooks.items()):
            if key in module._forward_pre_hooks_with_kwargs:
                found = hook(module, self.args, self.kwargs)
                if found is not None:
                    if not (isinstance(found, tuple) and len(found) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {found}."
                        )
                    self.args, self.kwargs = found
            else:
                found = hook(module, self.args)
                if found is not None:
                    self.args = found if isinstance(found, tuple) else (found,)

    def _after(self) -> None:
        module = self.module
        for key, hook in (*SHARED.forward.items(), *module._forward_hooks.items()):
            self._done.add(key)
            if key in module._forward_hooks_with_kwargs or key in SHARED.forward_with_kwargs:
                found = hook(module, self.args, self.kwargs, self.result)
            else:
                found = hook(module, self.args, self.result)
            self.result = self.result if found is None else found

    def _always(self) -> None:
        """After an error: the hooks that are always called, unless they were."""
        module, shared = self.module, SHARED.forward_always_called
        for key, hook in (*SHARED.forward.items(), *module._forward_hooks.items()):
            if key in self._done or not (
                key in shared or key in module._forward_hooks_always_called
            ):
                continue
            given = (self.kwargs,) if key in module._forward_hooks_with_kwargs else ()
            try:
                found = hook(module, self.args, *given, self.result)
                self.result = self.result if found is None else found
            except Exception as error:  # noqa: BLE001 - another one is on its way
                which = "global module" if key in shared else "module"
                warnings.warn(
                    f"{which} forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=5,
                )

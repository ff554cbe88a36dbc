"""Modules that infer sizes from their first input, and are then of the class that they stand for.

In a function that is being compiled, the first call gives such a module its parameters before the
trace goes on; they are there also if the trace fails later.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nngraph.frontend.handles import RemovableHandle
from nngraph.frontend.world import world
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """A module with parameters of unknown shape, which ``initialize_parameters`` gives them.

    Attributes:
        cls_to_become: the class that the module has from its first call on; None to stay.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyLinear.html
    """

    cls_to_become: ClassVar[type[Module] | None] = None
    _initialize_hook: RemovableHandle
    _load_hook: RemovableHandle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._own_state().items():
            plain = keep_vars or is_lazy(value)
            destination[prefix + name] = value if plain else value.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """What is not initialized gets the shape of what is loaded into it."""
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if isinstance(value, UninitializedParameter | UninitializedBuffer) and not (
                given is None or is_lazy(given)
            ):
                value.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters their shapes and initial values; arguments are those of forward."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    @staticmethod
    def _infer_parameters(module: Any, args: Any, kwargs: Any = None) -> None:
        world().before(lambda: module._initialize(*args, **(kwargs or {})))

    def _initialize(self, *args: Any, **kwargs: Any) -> None:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        self._initialize_hook.remove()
        self._load_hook.remove()
        del self._initialize_hook
        del self._load_hook
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become  # type: ignore[assignment]

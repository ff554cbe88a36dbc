"""Spectral norm by a hook before the forward; ``parametrizations.spectral_norm`` is the newer form.

Source: Miyato et al., Spectral Normalization for Generative Adversarial Networks (2018).
"""

from __future__ import annotations

from typing import Any, TypeVar

from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import normalize
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter, UninitializedParameter
from nngraph.nn.utils.normalized import as_matrix, axis_of_outputs, start

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm:
    """The hook: the weight over its largest singular value, by the power method."""

    _version: int = 1
    name: str
    dim: int
    n_power_iterations: int
    eps: float

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        self.name = name
        self.dim = dim
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """A row for each output."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight over its largest singular value."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(normalize(matrix.mv(v), dim=0, eps=self.eps))
                u, v = u.clone(), v.clone()
        made: Tensor = weight / u.dot(matrix.mv(v))
        return made

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, f"{self.name}{suffix}")
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Registers a hook.

        Raises:
            RuntimeError: if there is one on that parameter.
            ValueError: for a parameter that is None or has no shape.
        """
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make "
                "sure to run the dummy forward before applying spectral normalization"
            )
        with no_grad():
            u, v = start(made.reshape_weight_to_matrix(weight), eps)
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)  # no parameter: the hook sets it before each forward
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(made)
        module._register_state_dict_hook(_Saving(made))
        module._register_load_state_dict_pre_hook(_Loading(made))
        return made


class _Saving:
    """Writes the version into the metadata of a state dict."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: Any) -> None:
        known = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in known:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        known[key] = self.fn._version


class _Loading:
    """Refuses state dicts from before there was a version, which lack ``weight_v``."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        name = self.fn.name
        if local_metadata.get("spectral_norm", {}).get(f"{name}.version") is not None:
            return
        key = f"{prefix}{name}"
        if key in state_dict and f"{key}_orig" in state_dict:
            raise RuntimeError(
                f"the state dict holds {key} beside {key}_orig, as PyTorch before 1.1 wrote it: "
                "load it in PyTorch and save it again"
            )


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divides a parameter by its largest singular value, in each forward.

    Args:
        module: it gets ``weight_orig``, ``weight_u`` and ``weight_v``.
        name: of the parameter.
        n_power_iterations: of the power method, in each forward while training.
        eps: keeps norms from 0.
        dim: the axis of the outputs; by default 1 for transposed convolutions, or else 0.
    """
    SpectralNorm.apply(
        module, name, n_power_iterations, axis_of_outputs(module) if dim is None else dim, eps
    )
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undoes ``spectral_norm``; ValueError if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for table, kind in (
        (module._state_dict_hooks, _Saving),
        (module._load_state_dict_pre_hooks, _Loading),
    ):
        for key, found in list(table.items()):
            if isinstance(found, kind) and found.fn.name == name:
                del table[key]
    return module

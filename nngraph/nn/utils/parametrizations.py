"""Parametrizations of weights: by norm and direction, by spectral norm, orthogonal."""

from __future__ import annotations

from typing import Any, TypeVar

from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.functional import normalize
from nngraph.nn.modules.module import Module
from nngraph.nn.utils.normalized import as_matrix, axis_of_outputs, norm_except, start, weighted
from nngraph.nn.utils.orthogonal import OrthMaps, _Orthogonal
from nngraph.nn.utils.parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


def orthogonal(
    module: M,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> M:
    """Makes a matrix, or a batch of them, orthogonal: its columns, or its rows if it is wide.

    Args:
        module: whose parameter or buffer it is.
        name: of it.
        orthogonal_map: ``"matrix_exp"`` (the default for square matrices), ``"cayley"`` or
            ``"householder"`` (the default for others).
        use_trivialization: keep a matrix, a buffer, that the value is a multiple of.

    Raises:
        ValueError: if there is no such tensor, for a vector, and for another map.

    Source: Lezcano-Casado, Trivializations for Gradient-Based Optimization on Manifolds (2019).
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in OrthMaps.__members__:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    made = _Orthogonal(weight, OrthMaps[orthogonal_map], use_trivialization=use_trivialization)
    register_parametrization(module, name, made, unsafe=True)
    return module


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weighted(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The norms, and the weight itself as direction."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Computes a weight as ``g * v / |v|`` (Salimans and Kingma, 2016).

    Args:
        module: ``parametrizations.weight.original0`` is ``g``, ``original1`` is ``v``.
        name: of the parameter.
        dim: the axis along which norms are kept apart; None takes one norm.

    State dicts that ``nn.utils.weight_norm`` wrote can be loaded.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def old_names(state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for index, key in enumerate(old):
                new = f"{prefix}parametrizations.{name}.original{index}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(old_names)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        rank = weight.ndim
        if not -rank <= dim < rank:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{rank}, {rank - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % rank
        self.eps = eps
        if rank > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                u, v = start(matrix, eps)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, iterations: int) -> None:
        with no_grad():
            for _ in range(iterations):
                self._u.copy_(normalize(matrix.mv(self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:  # one singular value, whatever the vectors
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        made: Tensor = weight / u.dot(matrix.mv(v))
        return made

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value: the weight may be set to what is normalized already."""
        return value


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divides a weight by its largest singular value (Miyato et al., 2018).

    Args:
        module: whose parameter or buffer it is.
        name: of it.
        n_power_iterations: of the power method, at each look while training.
        eps: keeps norms from 0.
        dim: the axis of the outputs; by default 1 for transposed convolutions, or else 0.

    Raises:
        ValueError: if there is no such tensor, or for no iterations.
        IndexError: for an axis that there is not.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    axis = axis_of_outputs(module) if dim is None else dim
    register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))
    return module

"""Layers that are operations of einops, as ``einops.layers.torch`` has them.

Source: https://einops.rocks/api/rearrange/#layer, https://einops.rocks/3-einmix-layer/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from einops.layers import RearrangeMixin, ReduceMixin
from einops.layers._einmix import _EinmixMixin

from nngraph.frontend.functional.contraction import einsum
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.tensor import Tensor
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter

__all__ = ["EinMix", "Rearrange", "Reduce"]

#: What einops worked out from the pattern, and nothing changes.
_RECIPES = frozenset({"_multirecipe", "_axes_lengths", "axes_lengths"})


class Rearrange(RearrangeMixin, Module):  # type: ignore[misc]
    """``einops.rearrange`` as a module: ``Rearrange("b c h w -> b (c h w)")``.

    Raises:
        EinopsError: for a pattern that is none.
    """

    _unwatched: ClassVar[frozenset[str]] = Module._unwatched | _RECIPES

    def forward(self, input: Tensor) -> Any:
        """The elements in another order and other axes."""
        return self._apply_recipe(input)


class Reduce(ReduceMixin, Module):  # type: ignore[misc]
    """``einops.reduce`` as a module: ``Reduce("b c (h 2) (w 2) -> b c h w", "max")``.

    Raises:
        EinopsError: for a pattern that is none.
    """

    _unwatched: ClassVar[frozenset[str]] = Module._unwatched | _RECIPES

    def forward(self, input: Tensor) -> Any:
        """What is left of the axes that the right side does not name."""
        return self._apply_recipe(input)


class EinMix(_EinmixMixin, Module):  # type: ignore[misc]
    """A product with weights between named axes, and reshapes around it.

    ``EinMix("t b (head cin) -> t b (head cout)", "head cin cout", head=4, cin=8, cout=8)``. The
    weight is uniform between plus and minus ``sqrt(3 / fan_in)`` at first, the bias
    ``sqrt(1 / fan_in)``.

    Raises:
        EinopsError: for patterns that do not fit, and sizes that are missing.
    """

    _unwatched: ClassVar[frozenset[str]] = Module._unwatched | _RECIPES

    def _create_parameters(
        self,
        weight_shape: Sequence[int],
        weight_bound: float,
        bias_shape: Sequence[int] | None,
        bias_bound: float,
    ) -> None:
        self.weight = Parameter(zeros(*weight_shape).uniform_(-weight_bound, weight_bound))
        self.bias = None
        if bias_shape is not None:
            self.bias = Parameter(zeros(*bias_shape).uniform_(-bias_bound, bias_bound))

    def _create_rearrange_layers(
        self,
        pre_reshape_pattern: str | None,
        pre_reshape_lengths: dict[str, int] | None,
        post_reshape_pattern: str | None,
        post_reshape_lengths: dict[str, int] | None,
    ) -> None:
        self.pre_rearrange = _layer(pre_reshape_pattern, pre_reshape_lengths)
        self.post_rearrange = _layer(post_reshape_pattern, post_reshape_lengths)

    def forward(self, input: Tensor) -> Any:
        """The product, plus the bias."""
        x = input if self.pre_rearrange is None else self.pre_rearrange(input)
        out = einsum(self.einsum_pattern, x, self.weight)
        out = out if self.bias is None else out + self.bias
        return out if self.post_rearrange is None else self.post_rearrange(out)


def _layer(pattern: str | None, lengths: dict[str, int] | None) -> Rearrange | None:
    return None if pattern is None else Rearrange(pattern, **(lengths or {}))

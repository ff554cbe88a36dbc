"""PyTorch with rounding errors drawn anew: what differs then, no two machines need agree on.

Stochastic arithmetic (Vignes; Parker's Monte Carlo arithmetic): the result of each operator that
rounds is moved by a few units of the precision in which it is computed. Exact results stay, and
equal results move alike, so that ties and comparisons of exact numbers are still compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.support.programs.draw import words

__all__ = ["RoundingNoise"]

# How far, in units of the last place: vectors, blocks and another order of a short sum.
ULPS = 4
NARROW = (torch.float16, torch.bfloat16, torch.float32)
STEP = {torch.float64: 2.0**-53, torch.float32: 2.0**-24}
# The half types are computed in float32 and rounded once, by operators of one rounding...
HALF_STEP = 2.0**-24
# ... or in several steps, each of which rounds, and gradients nearly always.
COMPOSED_STEP = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
# One rounding in every implementation.
SINGLE = frozenset(
    words("""
    add sub mul div rsub reciprocal sqrt exp log sin cos tanh sigmoid erf erfc expm1 log1p exp2 log2
    pow add_ sub_ mul_ div_ exp_ tanh_ sigmoid_ square sum mean cumsum
    """)
)
# These move or choose elements, or set some; their results are their operands' bits.
EXACT = frozenset(
    words("""
    clone copy_ cat stack index index_put_ index_select gather scatter where masked_fill fill_ zero_
    flip roll repeat sort amax amin maximum minimum max min neg abs relu sign floor ceil round trunc
    _to_copy constant_pad_nd tril triu clamp clamp_min clamp_max max_pool2d_with_indices one_hot
    detach lift_fresh slice_backward select_backward new_zeros zeros ones full zeros_like ones_like
    full_like empty empty_like scalar_tensor threshold_backward masked_scatter median kthvalue topk
    unfold_backward diagonal_backward embedding as_strided_scatter slice_scatter _unsafe_view
    """)
)


# Sums: what cancels was rounded in proportion to the sum of sizes.
SUMS = frozenset(words("convolution mm bmm addmm baddbmm addmv mv dot sum mean cumsum"))


class RoundingNoise(TorchDispatchMode):
    """Moves the result of each operator that rounds, as its bits and a seed decide."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        if function.is_view or name in EXACT:
            return function(*args, **kwargs)
        largest = _largest(args) if "backward" in name else 0.0
        exact = _wide(function, args, kwargs) if _is_narrow(args, kwargs) else None
        sizes = _wide(function, args, kwargs, torch.abs) if name in SUMS else None
        out = function(*args, **kwargs)
        for position, tensor in enumerate([*tree_leaves(out), *_written(function, args)]):
            if isinstance(tensor, torch.Tensor) and tensor.dtype.is_floating_point:
                true = None if exact is None else exact[position]
                scale = (tensor if sizes is None else sizes[position]).double().abs()
                single = name in SINGLE and not _has_number(args)
                self._move(tensor, true, scale.clamp(min=largest), single)
        return out

    def _move(
        self, tensor: torch.Tensor, true: torch.Tensor | None, scale: torch.Tensor, single: bool
    ) -> None:
        value = tensor.double()
        target = value if true is None else true.double()
        size = ULPS * STEP.get(tensor.dtype, HALF_STEP) * scale
        if tensor.dtype in STEP:
            size = torch.maximum(size, ULPS * (value - target).abs())
        elif not single:
            size = COMPOSED_STEP[tensor.dtype] * scale
        moved = (target + size * self._draw(value)).to(tensor.dtype)
        rounded = value.isfinite() & target.isfinite()
        if true is not None:
            rounded &= value != target
        tensor.copy_(torch.where(rounded, moved, tensor))

    def _draw(self, value: torch.Tensor) -> torch.Tensor:
        """Numbers of size 1/2 to 1, the same for the same bits: that moves every one of them.

        The noise of an even seed is that of the one before it, in the other direction.
        """
        bits = value.contiguous().view(torch.int64)
        mixed = (bits ^ (bits >> 29)) * (0x1E3779B97F4A7C15 + 2 * ((self.seed + 1) // 2))
        mixed = (mixed ^ (mixed >> 32)) * 0x3F58476D1CE4E5B9
        drawn = (mixed >> 11).double() / 2.0**52 * (1 if self.seed % 2 else -1)
        return (drawn.abs() + 1) / 2 * drawn.sign()


def _largest(args: Any) -> float:
    """The largest finite number among what an operator takes."""
    tensors = [t.detach().double() for t in tree_leaves(args) if isinstance(t, torch.Tensor)]
    sizes = [t.nan_to_num(0.0, 0.0, 0.0).abs().max().item() for t in tensors if t.numel()]
    return max(sizes, default=0.0)


def _has_number(args: Any) -> bool:
    """Whether a Python number takes part, which may be rounded to a half before or not."""
    return any(
        isinstance(a, float) or (isinstance(a, torch.Tensor) and a.dtype is torch.float64)
        for a in tree_leaves(args)
    )


def _written(function: Any, args: Any) -> list[Any]:
    """Tensors among the arguments that the operator writes."""
    marked = zip(function._schema.arguments, args, strict=False)
    return [t for a, v in marked if a.alias_info and a.alias_info.is_write for t in tree_leaves(v)]


def _is_narrow(args: Any, kwargs: Any) -> bool:
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    return any(t.dtype in NARROW for t in tensors)


def _wide(
    function: Any, args: Any, kwargs: Any, of: Callable[[torch.Tensor], torch.Tensor] = torch.clone
) -> list[Any] | None:
    """The operator's results in float64, if it has a kernel for that."""

    def widen(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return of(value.double()) if value.is_floating_point() else value.clone()
        return torch.float64 if value in NARROW else value

    wide = tree_map(widen, args)
    try:
        out = function(*wide, **tree_map(widen, kwargs))
    except RuntimeError:  # some kernels are for the given type alone
        return None
    return [*tree_leaves(out), *_written(function, wide)]

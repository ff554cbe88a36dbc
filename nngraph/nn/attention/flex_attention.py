"""Attention whose scores a function changes and masks (``torch.nn.attention.flex_attention``).

All scores are computed, and the functions of them; backends join that into their kernels and skip
no blocks. So a ``BlockMask`` says which scores count, and saves no work.

Paper: https://arxiv.org/abs/2412.05496
Source: https://docs.pytorch.org/docs/stable/nn.attention.flex_attention.html
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from nngraph.frontend.functional.creation import arange, ones, zeros
from nngraph.frontend.functional.linalg import matmul
from nngraph.frontend.functional.selection import where
from nngraph.frontend.lanes.vmap import vmap
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_, float32, float64, int32

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

#: ``(score, batch, head, query index, key index) -> score``, all without axes.
ScoreMod = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
#: ``(batch, head, query index, key index) -> whether the score counts``, all without axes.
MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
_BLOCK = 128


class AuxRequest(NamedTuple):
    """Which results besides the attention are wanted."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """Of each query: log of the sum of exponentials of its scores, and the largest score.

    Attributes:
        lse, max_scores: ``[B, H, L]``; None where they were not asked for.
    """

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """Every score counts."""
    return ones((), dtype=bool_)


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """A score counts where it counts by all.

    Raises:
        RuntimeError: for what can't be called.
    """
    return _joined(mask_mods, lambda a, b: a & b, True)


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """A score counts where it counts by one.

    Raises:
        RuntimeError: for what can't be called.
    """
    return _joined(mask_mods, lambda a, b: a | b, False)


def _joined(mods: tuple[MaskMod, ...], join: Callable[[Any, Any], Any], start: bool) -> MaskMod:
    if not all(map(callable, mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mods}")

    def mask_mod(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        first = (ones if start else zeros)((), dtype=bool_)
        return functools.reduce(join, (mod(b, h, q_idx, kv_idx) for mod in mods), first)

    return mask_mod


def _for_each(mod: Callable[..., Tensor], scores: int) -> Callable[..., Tensor]:
    """The function for all of ``[B, H, Q, KV]``; its first ``scores`` arguments have all axes."""
    for axis in (3, 2, 1, 0):
        indices = tuple(0 if i == axis else None for i in range(4))
        mod = vmap(mod, in_dims=(*([0] * scores), *indices))
    return mod


def _indices(*sizes: int) -> list[Tensor]:
    return [arange(0, size) for size in sizes]


def create_mask(
    mod_fn: Callable[..., Tensor],
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
) -> Tensor:
    """Which scores count, as bools ``[B, H, Q_LEN, KV_LEN]``.

    Args:
        mod_fn: a mask's function, or a score's (which masks by minus infinity).
        B, H: None where the function does not depend on them; 1 then.
        Q_LEN, KV_LEN: lengths.
        device: the CPU.
    """
    shape = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    takes = [p for p in inspect.signature(mod_fn).parameters.values() if p.default is p.empty]
    if len(takes) == 5:
        return ~_for_each(mod_fn, 1)(zeros(shape), *_indices(*shape)).isneginf()
    return _for_each(mod_fn, 0)(*_indices(*shape))


class BlockMask:
    """Which blocks of scores count in part (``kv``) or wholly (``full_kv``), for each row of them.

    Attributes:
        seq_lengths: of queries and of keys.
        kv_num_blocks: int32 ``[B, H, rows]``, how many.
        kv_indices: int32 ``[B, H, rows, columns]``, which, the first ``kv_num_blocks`` of them.
        full_kv_num_blocks, full_kv_indices: the same of blocks that count wholly; None without.
        BLOCK_SIZE: of queries and of keys.
        mask_mod: which scores of a block count.
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: tuple[int, int] = (_BLOCK, _BLOCK),
        mask_mod: MaskMod = noop_mask,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(
                "full_kv_num_blocks and full_kv_indices must be both provided or omitted"
            )
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.BLOCK_SIZE, self.mask_mod = BLOCK_SIZE, mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = _BLOCK,
        mask_mod: MaskMod | None = None,
        seq_lengths: tuple[int, int] | None = None,
    ) -> BlockMask:
        """From the numbers and indices of blocks; see the class.

        Raises:
            RuntimeError: if ``kv_indices`` has fewer than two axes.
            AssertionError: for one of the two that describe full blocks without the other.
        """
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        rows, columns = kv_indices.shape[-2:]
        lengths = seq_lengths or (rows * size[0], columns * size[1])
        full = full_kv_num_blocks, full_kv_indices
        mod = mask_mod or noop_mask
        return cls(lengths, kv_num_blocks, kv_indices, *full, size, mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """``[B, H, queries, keys]``."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many scores there are."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """How many percent of the scores lie in blocks that do not count."""
        blocks = int(self.kv_num_blocks.sum().item())
        if self.full_kv_num_blocks is not None:
            blocks += int(self.full_kv_num_blocks.sum().item())
        return 100 * (1 - blocks * math.prod(self.BLOCK_SIZE) / self.numel())

    def to_dense(self) -> Tensor:
        """int32 ``[B, H, rows, columns]``: 1 for blocks that count."""
        dense = _dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is None or self.full_kv_indices is None:
            return dense
        return dense | _dense(self.full_kv_num_blocks, self.full_kv_indices)

    def to(self, device: Any) -> BlockMask:
        """Itself: there is the CPU."""
        self.kv_indices.to(device)  # refuses others
        return self

    def __repr__(self) -> str:
        name = getattr(self.mask_mod, "__name__", self.mask_mod)
        return (
            f"BlockMask(shape={self.shape}, BLOCK_SIZE={self.BLOCK_SIZE}, "
            f"sparsity={self.sparsity():.2f}%, mask_mod={name})"
        )


def _dense(count: Tensor, indices: Tensor) -> Tensor:
    columns = indices.shape[-1]
    is_listed = arange(0, columns) < count.unsqueeze(-1)
    marks = zeros(*indices.shape[:-1], columns + 1, dtype=int32)
    where_to = where(is_listed, indices.long(), columns)
    return marks.scatter(-1, where_to, 1)[..., :columns]


def _ordered(dense: Tensor) -> tuple[Tensor, Tensor]:
    numbers = dense.int()
    order = numbers.argsort(dim=-1, descending=True, stable=True)
    return numbers.sum(-1).to(int32), order.to(int32)


def create_block_mask(
    mask_mod: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _BLOCK,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """The blocks of scores that count by a function.

    Args:
        mask_mod: of batch, head, query index and key index: whether the score counts.
        B, H: None where the function does not depend on them; 1 then.
        Q_LEN, KV_LEN: lengths; the last blocks may be shorter.
        device: the CPU.
        BLOCK_SIZE: of queries and of keys.
        separate_full_blocks: whether blocks that count wholly are listed apart.
    """
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    rows, columns = -(-Q_LEN // size[0]), -(-KV_LEN // size[1])
    padded = zeros(*mask.shape[:2], rows * size[0], columns * size[1], dtype=bool_)
    padded[:, :, :Q_LEN, :KV_LEN] = mask
    blocks = padded.reshape(*mask.shape[:2], rows, size[0], columns, size[1]).int()
    counts = blocks.sum(5).sum(3)
    is_full, is_part = counts == math.prod(size), counts > 0
    full: tuple[Tensor | None, Tensor | None] = (None, None)
    if separate_full_blocks:
        full, is_part = _ordered(is_full), is_part & ~is_full
    return BlockMask((Q_LEN, KV_LEN), *_ordered(is_part), *full, size, mask_mod)


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: ScoreMod | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """``softmax(score_mod(q @ k.T * scale)) @ v``, of the scores that count.

    A query without a score that counts gives zeros. Scores are float32 (float64 of float64).

    Args:
        query: ``[B, Hq, L, E]``.
        key, value: ``[B, H, S, E]``, ``[B, H, S, Ev]``; ``H`` divides ``Hq`` with ``enable_gqa``.
        score_mod: of a score and its batch, head, query index and key index: another score.
        block_mask: which scores count.
        scale: ``1 / sqrt(E)`` if None.
        return_lse: also gives the log of the sum of exponentials, ``[B, Hq, L]``.
        kernel_options: of PyTorch's kernels; changes nothing.
        return_aux: what else to give; see ``AuxRequest``.

    Returns:
        ``[B, Hq, L, Ev]``; with ``return_lse`` or ``return_aux`` a pair.

    Raises:
        ValueError: for other dtypes or shapes, and for a mask of other lengths.
    """
    _check(query, key, value, enable_gqa, block_mask)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (t.repeat_interleave(groups, dim=1) for t in (key, value))
    working = float64 if query.dtype is float64 else float32
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (matmul(query, key.transpose(-2, -1)).to(working)) * factor
    indices = _indices(*scores.shape)
    if score_mod is not None:
        scores = _for_each(score_mod, 1)(scores, *indices).to(working)
    if block_mask is not None:
        counts = _for_each(block_mask.mask_mod, 0)(*indices)
        scores = where(counts, scores, -math.inf)
    is_empty = (scores == -math.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(is_empty, 0.0).softmax(-1).masked_fill(is_empty, 0.0)
    out = matmul(weights.to(query.dtype), value)
    if not return_lse and return_aux is None:
        return out
    lse = scores.logsumexp(-1)
    if return_aux is None:
        return out, lse
    most = scores.amax(-1) if return_aux.max_scores else None
    return out, AuxOutput(lse if return_aux.lse else None, most)


def _check(
    query: Tensor, key: Tensor, value: Tensor, grouped: bool, mask: BlockMask | None
) -> None:
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype}, key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    if not query.dim() == key.dim() == value.dim() == 4:
        raise ValueError("Expected query, key, and value to be 4D tensors")
    heads, others = query.shape[1], key.shape[1]
    if grouped and heads % others:
        raise ValueError(
            f"Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={others}."
        )
    if not grouped and heads != others:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and "
            f"Hkv={others}. Try setting enable_gqa=True for GQA."
        )
    lengths = query.shape[-2], key.shape[-2]
    if mask is not None and mask.seq_lengths != lengths:
        raise ValueError(
            f"block_mask was created for block_mask.shape={mask.shape} but got q_len={lengths[0]} "
            f"and kv_len={lengths[1]}. Create it for these lengths."
        )

"""How much of a kernel is done at a time: chosen by strategies, written out by builders.

Frozen values that print as their fields, so that a choice can be shown, kept and compared.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CHUNK",
    "PARTS",
    "BodyTile",
    "ChannelWeightTile",
    "DotTile",
    "MoveTile",
    "PanelTile",
    "PlaneTile",
    "PositionWeightTile",
    "TapTile",
    "cdiv",
]


CHUNK = 4096
"""Elements of a task of what is cut into pieces: some microseconds."""


PARTS = 64
"""Tasks that share the rows of a table of tensors."""


def cdiv(a: int, b: int) -> int:
    """`a / b` rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class PanelTile:
    """A product by packed panels: sums of `rows` x `columns` stay in registers.

    Attributes:
        block: rows of a task.
        depth: inner extent of a pass over a panel of B.
        pack_a, pack_b: copy the operand into panels first.
        parts: tasks that share the columns of a block; 0: a task is a whole product of the batch.
    """

    rows: int
    columns: int
    block: int
    depth: int
    pack_a: bool
    pack_b: bool
    parts: int


@dataclass(frozen=True)
class DotTile:
    """A product by dot products of `rows` x `columns` at a time, `lanes` of the inner extent.

    `per` tiles, one beside the other, are a task.
    """

    rows: int
    columns: int
    lanes: int
    per: int


@dataclass(frozen=True)
class TapTile:
    """A convolution: sums of `channels` x `positions` stay in registers.

    Attributes:
        lanes: length of a vector: of positions of a row or, with `channel_lanes`, of channels.
        images: the positions are one and the same in as many images.
        chunks: parts of the source channels, one after the other.
        per: images of a task, or, with `images`, blocks of channels of a task; 0: a task is one
            block of channels of one image.
    """

    channels: int
    positions: int
    lanes: int
    channel_lanes: bool
    images: bool
    chunks: int
    per: int


@dataclass(frozen=True)
class ChannelWeightTile:
    """A weight gradient with `width` output channels in lanes and `rows` (channel, tap) pairs.

    Attributes:
        together: images whose sums stay in registers.
        per: tiles of a task.
    """

    width: int
    rows: int
    together: int
    per: int


@dataclass(frozen=True)
class PositionWeightTile:
    """A weight gradient with `lanes` positions in lanes and sums for `taps` taps in registers.

    `per` channels are a task.
    """

    lanes: int
    taps: int
    per: int


@dataclass(frozen=True)
class PlaneTile:
    """Pooling: vectors of `lanes` positions of a row; `per` planes are a task."""

    lanes: int
    per: int


@dataclass(frozen=True)
class BodyTile:
    """A fused body: vectors of `width` along the last axis, `parts` of them at a time.

    `chunk`: elements of a task where rows are few and long; 0: a row is a task.
    """

    width: int
    parts: int
    chunk: int


@dataclass(frozen=True)
class MoveTile:
    """Elements moved by tiles: `vector` of them contiguous in the source, `strip` in the result."""

    vector: int
    strip: int

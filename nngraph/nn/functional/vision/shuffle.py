"""Channels that become pixels, pixels that become channels, channels in another order."""

from __future__ import annotations

from typing import cast

from nngraph.frontend.functional.access import owned
from nngraph.frontend.tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _need_planes(name: str, input: Tensor) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """``[*, C r^2, H, W]`` as ``[*, C, H r, W r]``.

    Raises:
        RuntimeError: for fewer axes, a factor that is not positive, or channels that ``r^2`` does
            not divide.
    """
    _need_planes("pixel_shuffle", input)
    r = upscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, channels, height, width = input.aval.shape
    if cast("int", channels) % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    count, rank = channels // (r * r), len(lead)
    parts = input.reshape(*lead, count, r, r, height, width)
    order = (rank, rank + 3, rank + 1, rank + 4, rank + 2)
    found = parts.permute(*range(rank), *order)
    return owned(found.reshape(*lead, count, height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """``[*, C, H r, W r]`` as ``[*, C r^2, H, W]``: the way back from ``pixel_shuffle``.

    Raises:
        RuntimeError: for fewer axes, a factor that is not positive, or sizes that it does not
            divide.
    """
    _need_planes("pixel_unshuffle", input)
    r = downscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, channels, height, width = input.aval.shape
    for name, size in (("height", height), ("width", width)):
        if cast("int", size) % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but {size} is not divisible by {r}"
            )
    rank = len(lead)
    parts = input.reshape(*lead, channels, height // r, r, width // r, r)
    order = (rank, rank + 2, rank + 4, rank + 1, rank + 3)
    found = parts.permute(*range(rank), *order)
    return owned(found.reshape(*lead, channels * r * r, height // r, width // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """``[N, C, *]`` with its channels dealt out: ``groups`` of them become each other's neighbours.

    Raises:
        RuntimeError: for fewer than three axes, or a number of groups that does not divide the
            channels.
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive: {groups}")
    images, channels, *sizes = input.aval.shape
    if cast("int", channels) % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    parts = input.reshape(images, groups, channels // groups, *sizes)
    return owned(parts.transpose(1, 2).reshape(images, channels, *sizes))


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """``channel_shuffle``."""
    return channel_shuffle(input, groups)

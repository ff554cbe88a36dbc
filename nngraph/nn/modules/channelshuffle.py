"""Channels in another order."""

from __future__ import annotations

from nngraph.frontend.tensor import Tensor
from nngraph.nn import functional as F
from nngraph.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """``[N, C, *]`` with the channels of its groups dealt out in turn (Zhang et al., 2018)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"

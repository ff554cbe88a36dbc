"""Encoders and decoders of attention and feed-forward layers.

Source: Vaswani et al., "Attention Is All You Need", 2017; with ``norm_first`` Xiong et al., "On
Layer Normalization in the Transformer Architecture", 2020;
https://docs.pytorch.org/docs/stable/nn.html#transformer-layers
"""

from __future__ import annotations

from nngraph.nn.modules.transformer import stacks
from nngraph.nn.modules.transformer.layers import TransformerDecoderLayer, TransformerEncoderLayer
from nngraph.nn.modules.transformer.stacks import *  # noqa: F403

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer", *stacks.__all__]

"""PyTorch's path to the recurrent layers (``torch.nn.modules.rnn``)."""

from __future__ import annotations

from nngraph.nn.modules.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNBase,
    RNNCell,
    RNNCellBase,
)

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

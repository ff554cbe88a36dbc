"""Cases: recurrent layers and cells."""

from __future__ import annotations

from typing import Any

from tests.nn.modules.case import Case, of, x

SEQUENCE, STATE = x(4, 3, 5), x(1, 3, 2)


def _lstm(*args: Any, **options: Any) -> Case:
    return of("LSTM", *args, **options)


CASES = [
    of("RNN", 5, 2).on(SEQUENCE),
    of("RNN", 5, 2, 1, "relu").on(SEQUENCE, STATE),
    of("RNN", 5, 2, nonlinearity="relu", bias=False, batch_first=True).on(x(3, 4, 5)),
    of("RNN", 5, 2, 2, bidirectional=True).on(SEQUENCE, x(4, 3, 2)),
    of("RNN", 5, 2).on(x(4, 5), x(1, 2)),
    of("RNN", 5, 2, nonlinearity="sin").but(raises=True),
    of("RNN", 5, 2, proj_size=1).but(raises=True),
    _lstm(5, 2).on(SEQUENCE),
    _lstm(5, 2, 2, bidirectional=True).on(SEQUENCE),
    _lstm(5, 3, proj_size=2).on(SEQUENCE),
    _lstm(5, 3, 2, bias=False, batch_first=True, bidirectional=True, proj_size=2).on(x(3, 4, 5)),
    _lstm(5, 2).on(x(1, 3, 5)),
    _lstm(5, 2).on(x(4, 5)),
    _lstm(5, 2, 3, dropout=0.0, bidirectional=False),
    _lstm(5, 2, 2, dropout=0.3),
    _lstm(5, 2, dropout=0.3),
    _lstm(5, 2).on(x(4, 3, 6)).but(raises=True),
    _lstm(5, 2).on(x(4, 3, 5, 1)).but(raises=True),
    _lstm(5, 2).on(x(0, 3, 5)).but(raises=True),
    _lstm(5, 2, dropout=1.5).but(raises=True),
    _lstm(5, 2, dropout=True).but(raises=True),
    _lstm(5, 2, bias=1).but(raises=True),
    _lstm(5, 2, batch_first=None).but(raises=True),
    _lstm(5.0, 2).but(raises=True),
    _lstm(5, 2.0).but(raises=True),
    _lstm(0, 2).but(raises=True),
    _lstm(5, 0).but(raises=True),
    _lstm(5, 2, 0).but(raises=True),
    _lstm(5, 2, proj_size=-1).but(raises=True),
    _lstm(5, 2, proj_size=2).but(raises=True),
    of("GRU", 5, 2).on(SEQUENCE, STATE),
    of("GRU", 5, 2, 2, bias=False, bidirectional=True).on(SEQUENCE),
    of("GRU", 5, 2, batch_first=True).on(x(3, 4, 5), x(1, 3, 2)),
    of("GRU", 5, 2).on(x(4, 5)),
    of("GRU", 5, 2).on(SEQUENCE, x(1, 2, 2)).but(raises=True),
    of("GRU", 5, 2).on(SEQUENCE, x(3, 2)).but(raises=True),
    of("GRU", 5, 2).on(x(4, 5), STATE).but(raises=True),
    of("GRU", 5, 2, proj_size=1).but(raises=True),
    of("RNNBase", "LSTM", 5, 2),
    of("RNNBase", "GRU", 5, 2, 2, bidirectional=True),
    of("RNNBase", "SIN", 5, 2).but(raises=True),
    of("RNNCellBase", 5, 2, True, 3),
    of("RNNCell", 5, 2).on(x(3, 5)),
    of("RNNCell", 5, 2, nonlinearity="relu").on(x(3, 5), x(3, 2)),
    of("RNNCell", 5, 2, bias=False).on(x(5), x(2)),
    of("RNNCell", 5, 2, nonlinearity="sin").on(x(3, 5)).but(raises=True),
    of("RNNCell", 5, 2).on(x(3, 4)).but(raises=True),
    of("RNNCell", 5, 2).on(x(3, 5), x(2, 2)).but(raises=True),
    of("RNNCell", 5, 2).on(x(3, 5, 1)).but(raises=True),
    of("LSTMCell", 5, 2).on(x(3, 5)),
    of("LSTMCell", 5, 2, bias=False).on(x(5)),
    of("GRUCell", 5, 2).on(x(3, 5), x(3, 2)),
    of("GRUCell", 5, 2, bias=False).on(x(5), x(2)),
    of("GRUCell", 5, 2).on(x(3, 5), x(3, 3)).but(raises=True),
]

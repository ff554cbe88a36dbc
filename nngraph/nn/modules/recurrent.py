"""Recurrent layers and their cells."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.creation import empty
from nngraph.frontend.precision.state import current
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.nn import functional as F
from nngraph.nn import init
from nngraph.nn.functional.packed import PackedSequence, packed_as, padded
from nngraph.nn.functional.recurrent import CELLS, Weights, recurrent
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]


class RNNBase(Module):
    """What ``RNN``, ``LSTM`` and ``GRU`` share: parameters, checks and the loop.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: width of the input.
        hidden_size: width H of the states.
        num_layers: how many layers are stacked.
        bias: whether there are biases.
        batch_first: whether input and output are ``[N, T, ...]`` instead of ``[T, N, ...]``.
        dropout: the share of each layer's result, but the last's, that is dropped in training.
        bidirectional: whether a second loop runs from the last step to the first.
        proj_size: width of a projection of h (LSTM only); 0: none.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0: of layer 0; with the
            ending ``_reverse`` those of the second direction. All are uniform within
            ``1 / sqrt(hidden_size)``.

    Raises:
        TypeError, ValueError: for sizes and options that are none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNBase.html
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        _need_share(dropout, num_layers)
        _need_options(input_size, hidden_size, num_layers, bias, batch_first, proj_size)
        if mode not in CELLS:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._directions]:
                names = []
                for name, shape in self._shapes(layer).items():
                    names.append(f"{name}_l{layer}{suffix}")
                    self.register_parameter(
                        names[-1], Parameter(empty(*shape, device=device, dtype=dtype))
                    )
                self._all_weights.append(names)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _width(self) -> int:
        """Of h."""
        return self.proj_size or self.hidden_size

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Of the parameters of a layer and direction, in PyTorch's order."""
        gates = CELLS[self.mode].gates * self.hidden_size
        width = self.input_size if layer == 0 else self._width * self._directions
        found: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, width),
            "weight_hh": (gates, self._width),
        }
        if self.bias:
            found |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            found["weight_hr"] = (self.proj_size, self.hidden_size)
        return found

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: a compiled function lays out memory itself."""

    def reset_parameters(self) -> None:
        """Draws initial values anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        values = ((name, getattr(self, name), usual) for name, usual in defaults.items())
        return ", ".join([*shown, *(f"{n}={v}" for n, v, usual in values if v != usual)])

    # -- the call --------------------------------------------------------------------------
    def _run(self, input: Any, states: Sequence[Tensor] | None) -> tuple[Any, tuple[Tensor, ...]]:
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states)
        kind = "RNN" if self.mode.startswith("RNN") else self.mode
        if input.ndim not in (2, 3):
            raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        batched = input.ndim == 3
        if states is not None and any(s.ndim != input.ndim for s in states):
            shown = ", ".join(f"{s.ndim}-D" for s in states)
            what = "batched" if batched else "unbatched"
            raise RuntimeError(
                f"For {what} {input.ndim}-D input, hx should also be {input.ndim}-D but got {shown}"
            )
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if self.batch_first and batched else x
        if states is not None and not batched:
            states = [s.unsqueeze(1) for s in states]
        out, last = self._loop(x, states, None)
        if not batched:
            return out.squeeze(1), tuple(s.squeeze(1) for s in last)
        return out.transpose(0, 1) if self.batch_first else out, last

    def _run_packed(
        self, input: PackedSequence, states: Sequence[Tensor] | None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        counts = input.counts()
        places, rows = packed_as(counts)
        if input.data.ndim != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {input.data.ndim}")
        if states is not None and input.sorted_indices is not None:
            states = [s.index_select(1, input.sorted_indices) for s in states]
        mask = ops.constant(rows[:, :, None] >= 0, input.data)
        whole = bool((rows >= 0).all())
        out, last = self._loop(padded(input, 0.0), states, None if whole else mask)
        flat = out.reshape(rows.size, out.aval.shape[2])
        data = ops.take(flat, ops.constant(places.astype(np.int64), flat), 0)
        if input.unsorted_indices is not None:
            order = input.unsorted_indices
            last = tuple(s.index_select(1, order) for s in last)
        return input.like(data), last

    def _loop(
        self, x: Tensor, states: Sequence[Tensor] | None, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers of ``[T, N, I]``."""
        first = getattr(self, self._all_weights[0][0])
        if x.dtype is not first.dtype and not current().enabled:
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({first.dtype}). Convert "
                f"input: input.to({first.dtype}), or convert model: model.to({x.dtype})"
            )
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {x.shape[-1]}"
            )
        widths = (self._width, self.hidden_size)[: CELLS[self.mode].states]
        layers, batch = self.num_layers * self._directions, x.aval.shape[1]
        shapes = [(layers, batch, width) for width in widths]
        if states is None:
            states = [x.new_zeros(shape) for shape in shapes]
        for i, (state, shape) in enumerate(zip(states, shapes, strict=True)):
            if state.aval.shape != shape:
                which = f"hidden[{i}]" if len(shapes) > 1 else "hidden"
                raise RuntimeError(f"Expected {which} size {shape}, got {list(state.shape)}")
        weights = [self._weights(names) for names in self._all_weights]
        rate = self.dropout if self.training else 0.0
        return recurrent(self.mode, x, states, weights, self._directions, rate, mask)

    def _weights(self, names: Sequence[str]) -> Weights:
        found = {name.split("_l")[0]: getattr(self, name) for name in names}
        return Weights(
            found["weight_ih"],
            found["weight_hh"],
            found.get("bias_ih"),
            found.get("bias_hh"),
            found.get("weight_hr"),
        )


def _need_share(dropout: Any, layers: Any) -> None:
    is_number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not is_number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and num_layers={layers}",
            stacklevel=4,
        )


def _need_options(
    input_size: Any, hidden_size: Any, layers: Any, bias: Any, batch_first: Any, proj_size: Any
) -> None:
    for name, value, kind in (
        ("bias", bias, bool),
        ("batch_first", batch_first, bool),
        ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    for name, value in (
        ("input_size", input_size),
        ("hidden_size", hidden_size),
        ("num_layers", layers),
    ):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` for each step, or with ``relu``.

    The arguments are those of ``RNNBase``, with ``nonlinearity`` ("tanh" or "relu") after
    ``num_layers``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """``[T, N, I]`` and h ``[L D, N, H]`` give ``[T, N, D H]`` and the last h."""
        out, (last,) = self._run(input, None if hx is None else [hx])
        return out, last


class LSTM(RNNBase):
    """Long short-term memory: gates i, f, g, o; ``c' = f c + i g``, ``h' = o tanh(c')``.

    The arguments are those of ``RNNBase``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """``[T, N, I]`` and ``(h, c)`` give ``[T, N, D P]`` and the last ``(h, c)``."""
        out, last = self._run(input, hx)
        return out, cast("tuple[Tensor, Tensor]", last)


class GRU(RNNBase):
    """Gated recurrent units: ``h' = (1 - z) n + z h``, ``n = tanh(x_n + r (W_hn h + b_hn))``.

    The arguments are those of ``RNNBase``, without ``proj_size``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """``[T, N, I]`` and h ``[L D, N, H]`` give ``[T, N, D H]`` and the last h."""
        out, (last,) = self._run(input, None if hx is None else [hx])
        return out, last


class RNNCellBase(Module):
    """What the cells share.

    Args:
        input_size, hidden_size: widths of input and state.
        bias: whether there are biases.
        num_chunks: how many blocks of ``hidden_size`` the weights have.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws initial values anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            shown += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return shown if nonlinearity == "tanh" else f"{shown}, nonlinearity={nonlinearity}"

    def _step(
        self, mode: str, input: Tensor, states: Sequence[Tensor] | None
    ) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, state in enumerate(states or ()):
            if state.ndim not in (1, 2):
                which = "hidden" if CELLS[mode].states == 1 else f"hx[{i}]"
                raise ValueError(
                    f"{name}: Expected {which} to be 1D or 2D, got {state.ndim}D instead"
                )
        x = input if input.ndim == 2 else input.unsqueeze(0)
        if x.shape[1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}"
            )
        shape = (x.aval.shape[0], self.hidden_size)
        if states is None:
            states = [x.new_zeros(shape)] * CELLS[mode].states
        elif input.ndim == 1:
            states = [s.unsqueeze(0) for s in states]
        for i, state in enumerate(states):
            if state.aval.shape != shape:
                raise RuntimeError(f"hidden{i} is {state.aval}; it must be of shape {list(shape)}")
        products = F.linear(x, self.weight_ih, self.bias_ih)
        inner = F.linear(states[0], self.weight_hh, self.bias_hh)
        new = CELLS[mode].step(products, inner, tuple(states))
        return new if input.ndim == 2 else tuple(s.squeeze(0) for s in new)


class RNNCell(RNNCellBase):
    """One step of ``RNN``: ``[N, I]`` and ``[N, H]`` give ``[N, H]``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        mode = f"RNN_{self.nonlinearity.upper()}"
        return self._step(mode, input, None if hx is None else [hx])[0]


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: ``[N, I]`` and ``(h, c)`` give ``(h, c)``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        return cast("tuple[Tensor, Tensor]", self._step("LSTM", input, hx))


class GRUCell(RNNCellBase):
    """One step of ``GRU``: ``[N, I]`` and ``[N, H]`` give ``[N, H]``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, None if hx is None else [hx])[0]

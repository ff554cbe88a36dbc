"""Softmax over many classes, the frequent ones first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

from nngraph import ops
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType
from nngraph.nn.modules.container import ModuleList, Sequential
from nngraph.nn.modules.linear import Linear
from nngraph.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    """The log-probability of each target, and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of ``[N, in_features]`` (or one row) at targets ``[N]``, and their loss.

    The first ``cutoffs[0]`` classes have scores of their own in the head; those between two
    cutoffs share one there, and a smaller projection each (Grave et al., "Efficient softmax
    approximation for GPUs", 2017). A cluster that no target is in gets a gradient of zeros; it is
    None in PyTorch.

    Attributes:
        head: ``Linear`` to the classes of the head and the clusters.
        tail: for each cluster two ``Linear`` layers.

    Raises:
        ValueError: unless the cutoffs are different, increasing, and from 1 to ``n_classes - 1``.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: object = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        inside = all(int(c) == c and 0 < c < n_classes for c in cutoffs)
        if not inside or cutoffs != sorted(set(cutoffs)):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // (div_value ** (i + 1)))
            narrow = Linear(in_features, width, False, device, dtype)
            self.tail.append(Sequential(narrow, Linear(width, high - low, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draws initial values anew."""
        self.head.reset_parameters()
        for layer in self.tail.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        self._check(input_, target_)
        if not target_.ndim:
            found, loss = self.forward(input_.unsqueeze(0), target_.unsqueeze(0))
            return _ASMoutput(found.squeeze(0), loss)
        valid = (target_ >= 0).all() & (target_ < self.n_classes).all()
        message = f"Target values should be in [0, {self.n_classes - 1}], but others were found."
        head = ops.require(self.head(input_).log_softmax(1), valid, message)
        first = head.gather(1, target_.clamp(0, self.shortlist_size - 1).unsqueeze(1))
        output = first.squeeze(1)
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            inside = (target_ >= low) & (target_ < high)
            place = where(inside, target_ - low, 0).unsqueeze(1)
            local = self.tail[i](input_).log_softmax(1).gather(1, place).squeeze(1)
            output = where(inside, head.select(1, self.shortlist_size + i) + local, output)
        return _ASMoutput(output, (-output).mean())

    def _check(self, input: Tensor, target: Tensor) -> None:
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.ndim and input.shape[:1] != target.shape[:1]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.ndim != target.ndim + 1:
            raise RuntimeError(
                f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
                f"inputs with size {list(input.shape)}"
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, ``[N, n_classes]``."""
        return self._full(input, self.head(input))

    def _full(self, input: Tensor, head: Tensor) -> Tensor:
        head = head.log_softmax(1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            shared = head.narrow(1, self.shortlist_size + i, 1)
            parts.append(cast("Tensor", self.tail[i](input)).log_softmax(1) + shared)
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The class of the highest probability for each row, int64 ``[N]``."""
        head = self.head(input)
        best = head.argmax(1)
        return where(best < self.shortlist_size, best, self._full(input, head).argmax(1))

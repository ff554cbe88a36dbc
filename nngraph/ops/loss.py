"""Cross-entropy of class indices, and of probabilities of one class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.activation import LogSoftmax, log_softmax
from nngraph.ops.broadcast import broadcast_to, reshape, squeeze, unsqueeze
from nngraph.ops.composite import through_decomposition, wide
from nngraph.ops.core import need, need_float, need_same_dtype, sum_of, widen
from nngraph.ops.elementwise import add, cast, clip, div, exp, log, log1p, mul, ne, neg, sub, where
from nngraph.ops.family import operators_of
from nngraph.ops.index.checks import from_start
from nngraph.ops.index.elements import gather_elements, scatter_elements
from nngraph.ops.index.scattering import need_indices
from nngraph.ops.index.slices import take
from nngraph.ops.reduce import sum

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "binary_cross_entropy", "cross_entropy"]

Values = Sequence[Any]
_REDUCTIONS = ("none", "mean", "sum")


@dataclass(frozen=True)
class CrossEntropy(Op):
    """(logits[N, C, ...], class indices[N, ...] [, weight[C]]) -> loss.

    -log(softmax(logits)[target]) times the target's class weight; targets equal to
    ``ignore_index`` take no part. ``label_smoothing`` mixes in that share of the uniform
    distribution. "mean" divides by the sum of the targets' weights, so it is NaN where every target
    is ignored. The weight has no gradient in PyTorch; here it has. Source:
    ``torch.nn.functional.cross_entropy``.
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
    reduction: str = "mean"
    name: ClassVar[str] = "cross_entropy"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        logits, target, *weight = types
        need_float(self.name, "the input", logits)
        need(
            logits.rank >= 2 and logits.shape[1] != 0,
            self.name,
            "the input",
            logits,
            "[N, C, ...] with at least one class",
        )
        need_indices(self.name, target)
        places = (logits.shape[0], *logits.shape[2:])
        need(
            target.shape == places,
            self.name,
            "the target",
            target,
            f"{TensorType(target.dtype, places)}: the input {logits} without axis 1",
        )
        need(
            self.reduction in _REDUCTIONS,
            self.name,
            "reduction",
            repr(self.reduction),
            f"one of {_REDUCTIONS}",
        )
        need(
            0 <= self.label_smoothing <= 1,
            self.name,
            "label_smoothing",
            self.label_smoothing,
            "from 0 to 1",
        )
        need(
            isinstance(logits.shape[1], int) or not self.label_smoothing,
            self.name,
            "the input",
            logits,
            "of a number of classes that is known, to smooth labels",
        )
        if weight:
            need(
                weight[0].shape == logits.shape[1:2],
                self.name,
                "the weight",
                weight[0],
                f"of shape [{logits.shape[1]}], a number for each class",
            )
            need_same_dtype(self.name, (logits, weight[0]))
        return (logits.with_shape(places if self.reduction == "none" else ()),)

    # -- the definition --------------------------------------------------------------------
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        logits, target = widen(inputs[0]), inputs[1]
        keep = target != self.ignore_index
        safe = self._in_range(np.where(keep, target, 0), logits.shape[1])
        (logp,) = LogSoftmax(1).eval(logits)
        classes = widen(inputs[2]) if len(inputs) > 2 else np.ones(logits.shape[1], logits.dtype)
        share = np.where(keep, classes[safe], 0).astype(logits.dtype, copy=False)
        picked = np.squeeze(np.take_along_axis(logp, safe[:, None], 1), 1)
        loss = np.where(keep, -picked, 0) * share
        if self.label_smoothing:
            spread = classes.reshape(-1, *(1,) * (logits.ndim - 2))
            uniform = -np.where(keep, sum_of(logp * spread, (1,)), 0) / logits.shape[1]
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * uniform
        axes = range(loss.ndim)
        total = loss if self.reduction == "none" else sum_of(loss, axes)
        if self.reduction == "mean":
            with np.errstate(all="ignore"):
                total = np.asarray(total / sum_of(share, axes))
        return (np.asarray(total).astype(inputs[0].dtype, copy=False),)

    def _in_range(self, target: Array, classes: int) -> Array:
        wrong = target[(target < 0) | (target >= classes)]
        if wrong.size:
            raise IndexError(
                f"{self.name}: target {wrong[0]} is out of range for {classes} classes; targets "
                f"must be in [0, {classes - 1}] or ignore_index={self.ignore_index}"
            )
        return target

    # -- the same in operators -------------------------------------------------------------
    def _shares(self, logits: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Which targets count (bool), their classes (0 elsewhere), and their weights (or 0)."""
        keep = ne(target, self.ignore_index)
        safe = from_start(where(keep, target, 0), self.name)
        if weight is None:
            return keep, safe, cast(keep, logits.aval.dtype)
        return keep, safe, where(keep, take(weight, safe, 0), 0.0)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        logits, target, weight = _operands(inputs)
        logp = log_softmax(logits, 1)
        keep, safe, share = self._shares(logits, target, weight)
        picked = squeeze(gather_elements(logp, unsqueeze(safe, 1), 1), 1)
        # Where instead of a product: an ignored row may hold infinities.
        loss = mul(where(keep, neg(picked), 0.0), share)
        if self.label_smoothing:
            spread = logp if weight is None else mul(logp, _classes(weight, logp))
            uniform = where(keep, sum(spread, (1,)), 0.0)
            part = mul(uniform, -self.label_smoothing / logits.aval.shape[1])
            loss = add(mul(loss, 1 - self.label_smoothing), part)
        if self.reduction != "none":
            loss = sum(loss)
        if self.reduction == "mean":
            loss = div(loss, sum(share))
        return (cast(loss, inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        thunks: list[Thunk | None] = [lambda: self._logits_gradient(inputs, grads[0]), None]
        if len(inputs) > 2:
            thunks.append(through_decomposition(self, inputs, grads, 2))
        return thunks

    def _logits_gradient(self, inputs: Values, g: Any) -> Any:
        """Softmax * (sum of what log_softmax gets) - what it gets.

        One class of each row is changed by a scatter; log_softmax is the forward's own node once
        equal nodes are merged.
        """
        logits, target, weight = _operands(inputs)
        keep, safe, share = self._shares(logits, target, weight)
        g = wide(g)
        scale = div(g, sum(share)) if self.reduction == "mean" else g
        probability = exp(log_softmax(logits, 1))
        hit = mul(scale, 1 - self.label_smoothing) if self.label_smoothing else scale
        # Where: if all targets are ignored the scale is infinite, and the gradient still zero.
        hit = broadcast_to(hit, keep.aval.shape) if weight is None else mul(share, hit)
        rows = unsqueeze(where(keep, hit, 0.0), 1)
        if self.label_smoothing:
            part = mul(scale, self.label_smoothing / logits.aval.shape[1])
            each = unsqueeze(where(keep, broadcast_to(part, keep.aval.shape), 0.0), 1)
            spread, total = each, mul(each, float(logits.aval.shape[1]))
            if weight is not None:
                spread, total = mul(each, _classes(weight, logits)), mul(each, sum(weight))
            dx = sub(mul(probability, add(rows, total)), spread)
        else:
            dx = mul(probability, rows)
        dx = scatter_elements(dx, unsqueeze(safe, 1), neg(rows), 1, "add")
        return cast(dx, inputs[0].aval.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(17)
        x = rng.standard_normal((4, 5)).astype(np.float32)
        weight = rng.uniform(0.5, 2, 5).astype(np.float32)
        target = np.asarray([0, 4, 2, 2])
        for reduction in _REDUCTIONS:
            yield Sample(cls(-100, 0.0, reduction), (x, target))
            yield Sample(cls(2, 0.1, reduction), (x, target, weight), note="smoothed, ignored")
        planes = rng.standard_normal((2, 3, 2, 2)).astype(np.float32)
        marks = rng.integers(0, 3, (2, 2, 2)).astype(np.int32)
        yield Sample(cls(), (planes, marks), note="spatial axes")
        yield Sample(cls(1, 0.2, "mean"), (planes, marks), note="spatial axes, ignored")
        yield Sample(cls(), (x * 100, target, weight), note="large")
        yield Sample(cls(2), (x[:2], target[2:]), False, "all ignored: NaN")
        yield Sample(cls(2, 0.0, "sum"), (x[:2], target[2:]), note="all ignored: 0")


def _operands(inputs: Values) -> tuple[Any, Any, Any]:
    logits, target, *weight = inputs
    return wide(logits), target, wide(weight[0]) if weight else None


def _classes(weight: Any, x: Any) -> Any:
    """weight[C] beside the axes of x[N, C, ...]."""
    return reshape(weight, (weight.aval.shape[0], *(1,) * (x.aval.rank - 2)))


def cross_entropy(
    logits: O,
    target: O,
    weight: O | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> O:
    """Cross-entropy of ``logits[N, C, ...]`` and class indices ``target[N, ...]``."""
    op = CrossEntropy(ignore_index, label_smoothing, reduction)
    return apply1(op, logits, target) if weight is None else apply1(op, logits, target, weight)


_LOWEST = -100.0  # logarithms go no lower, as in PyTorch
_FLATTEST = 1e-12  # nor does p * (1 - p), by which the gradient divides


@dataclass(frozen=True)
class BinaryCrossEntropy(Op):
    """-(y log p + (1 - y) log(1 - p)) of each probability p and target y of its shape.

    Logarithms are at least -100. The gradient is that of the loss without this bound, and divides
    by at least 1e-12: where p is saturated, it still says which way to go. Source:
    ``torch.nn.functional.binary_cross_entropy``.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        p, y = types
        need_float(self.name, "the input", p)
        need_same_dtype(self.name, types)
        need(p.shape == y.shape, self.name, "the target", y, f"of the input's shape, {p}")
        return (p,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        p, y = map(widen, inputs)
        with np.errstate(all="ignore"):
            hit, miss = np.maximum(np.log(p), _LOWEST), np.maximum(np.log1p(-p), _LOWEST)
            loss = np.asarray((y - 1) * miss - y * hit)
        return (loss.astype(inputs[0].dtype, copy=False),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        p, y = map(wide, inputs)
        hit, miss = _logarithms(p)
        loss = sub(mul(sub(y, 1.0), miss), mul(y, hit))
        return (cast(loss, inputs[0].aval.dtype),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        dtype = inputs[0].aval.dtype

        def of_input() -> Any:
            p, y, g = wide(inputs[0]), wide(inputs[1]), wide(grads[0])
            return cast(mul(g, div(sub(p, y), clip(mul(p, sub(1.0, p)), _FLATTEST))), dtype)

        def of_target() -> Any:
            p = wide(inputs[0])  # whose logarithms PyTorch does not limit here
            hit, miss = log(p), log1p(neg(p))
            return cast(mul(wide(grads[0]), sub(miss, hit)), dtype)

        return (of_input, of_target)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        p = np.linspace(0.1, 0.95, 6, dtype=np.float32).reshape(2, 3)
        y = np.linspace(0, 1, 6, dtype=np.float32)[::-1].reshape(2, 3).copy()
        yield Sample(cls(), (p, y))
        yield Sample(cls(), (p[1, 1], y[0, 1]), note="rank 0")
        yield Sample(cls(), (p[:0], y[:0]), note="empty")
        edge = np.asarray([0, 0, 1, 1, 0.5, np.nan], np.float32)
        target = np.asarray([0, 1, 0, 1, 1, 1], np.float32)
        yield Sample(cls(), (edge, target), False, "saturated, NaN")


def _logarithms(p: Any) -> tuple[Any, Any]:
    return clip(log(p), _LOWEST), clip(log1p(neg(p)), _LOWEST)


def binary_cross_entropy(p: O, y: O) -> O:
    """The loss of each probability ``p`` and target ``y``."""
    return apply1(BinaryCrossEntropy(), p, y)


OPERATORS = operators_of(globals())

"""How tensors print: as PyTorch prints them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.world import world
from nngraph.ir.dtypes import bool_, int64
from nngraph.ir.op import Array

__all__ = ["set_printoptions", "tensor_repr"]

_INDENT = len("tensor(")


@dataclass(frozen=True)
class _Options:
    """What ``set_printoptions`` takes.

    Attributes:
        precision: digits after the point.
        threshold: elements beyond which a summary is shown.
        edgeitems: elements of a summary at each end.
        linewidth: letters of a line.
        sci_mode: whether numbers have exponents; None chooses.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=float("inf")),
}
_now = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print from here on (``torch.set_printoptions``).

    Args:
        precision: digits after the point (4).
        threshold: elements beyond which a summary is shown (1000).
        edgeitems: elements of a summary at each end (3).
        linewidth: letters of a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: all options at once; others given here
            win. Another word changes nothing, as in PyTorch.
        sci_mode: whether numbers have exponents; None chooses for each tensor.

    Raises:
        TypeError, ValueError: for what is no number of the kind; nothing is changed then.
    """
    global _now
    given = {"precision": precision, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise TypeError(f"set_printoptions: {name} is {value!r}; wanted an int")
        if value is not None and value < (name == "linewidth"):
            raise ValueError(f"set_printoptions: {name} is {value}; wanted at least 0")
    if threshold is not None and not isinstance(threshold, int | float):
        raise TypeError(f"set_printoptions: threshold is {threshold!r}; wanted a number")
    options: dict[str, Any] = given | {"threshold": threshold}
    wanted = {name: value for name, value in options.items() if value is not None}
    base = _now if profile is None else _PROFILES.get(profile.lower(), _now)
    _now = replace(base, **wanted, sci_mode=sci_mode)


def tensor_repr(tensor: TensorBase) -> str:
    """``tensor([1., 2.], requires_grad=True)``; traced tensors print their type."""
    array = world().peek(tensor._storage, tensor._path)
    if array is None:
        value = tensor._storage.elements.value
        of = "" if value is None else f" of {value.graph.name}"
        return f"<traced tensor {tensor.aval}{of}>"
    shown = array.astype(np.float32) if tensor.dtype.name == "bfloat16" else array
    text = "tensor(" + (_shown(shown) if shown.size else "[]")
    for suffix in _suffixes(tensor):
        room = len(text) - text.rfind("\n") + 1 + len(suffix) + 2
        text += ",\n" + " " * _INDENT + suffix if room > _now.linewidth else ", " + suffix
    return text + ")"


def _suffixes(tensor: TensorBase) -> list[str]:
    parts: list[str] = []
    if tensor.aval.size == 0:
        if tensor.ndim != 1:
            parts.append(f"size={tuple(tensor.aval.shape)}")
        if tensor.dtype is not default_dtype():
            parts.append(f"dtype={tensor.dtype!r}")
    elif tensor.dtype not in (default_dtype(), int64, bool_):
        parts.append(f"dtype={tensor.dtype!r}")
    entry = tensor.grad_fn
    if entry is not None:
        parts.append(f"grad_fn=<{entry.name()}>")
    elif tensor.requires_grad:
        parts.append("requires_grad=True")
    return parts


def _shown(array: Array) -> str:
    summarized = array.size > _now.threshold
    form = _Form(_edges(array) if summarized else array)
    return _nested(array, form, summarized, _INDENT)


def _edges(array: Array) -> Array:
    """The elements that a summary shows."""
    edge = _now.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            places = [*range(edge), *range(size - edge, size)]
            array = array.take(places, axis)
    return array


class _Form:
    """One format for all numbers of a tensor."""

    def __init__(self, array: Array) -> None:
        self.floating = array.dtype.kind == "f"
        self.whole, self.scientific = True, False
        texts = array.ravel().tolist()
        if self.floating:
            values = np.abs(array[np.isfinite(array) & (array != 0)].astype(np.float64))
            texts = array[np.isfinite(array) & (array != 0)].tolist()
            self._choose(values)
        if _now.sci_mode is not None:
            self.scientific = _now.sci_mode
        self.width = max((len(self.bare(v)) for v in texts), default=1 if not self.floating else 0)

    def _choose(self, values: Any) -> None:
        if not values.size:
            return
        self.whole = bool(np.all(values == np.ceil(values)))
        most, least = values.max(), values.min()
        self.scientific = bool(most / least > 1000 or most > 1e8)
        if not self.whole:
            self.scientific = self.scientific or bool(least < 1e-4)

    def bare(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{_now.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if np.isfinite(value) else "")
        return f"{value:.{_now.precision}f}"

    def __call__(self, value: Any) -> str:
        return self.bare(value).rjust(self.width)


def _nested(array: Array, form: _Form, summarized: bool, indent: int) -> str:
    if array.ndim == 0:
        return form(array.item())
    edge = _now.edgeitems
    short = summarized and len(array) > 2 * edge
    if array.ndim == 1:
        return _row(array, form, short, indent)
    inside = indent + 1
    chosen = [*array[:edge], *array[len(array) - edge :]] if short else list(array)
    parts = [_nested(a, form, summarized, inside) for a in chosen]
    if short:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * inside).join(parts) + "]"


def _row(array: Array, form: _Form, short: bool, indent: int) -> str:
    edge = _now.edgeitems
    shown = [*array[:edge], *array[len(array) - edge :]] if short else array.tolist()
    parts = [form(v) for v in shown]
    if short:
        parts.insert(edge, " ...")
    count = max(1, (_now.linewidth - indent) // (form.width + 2))
    lines = [", ".join(parts[i : i + count]) for i in range(0, len(parts), count)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"

"""``assert_close``: tensors, numbers, and nests of them that agree within tolerances."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.frontend.functional.comparison import isclose
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.promotion import promote_types
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, as_dtype, bfloat16, float16, float32, float64

__all__ = ["assert_close"]

Message = str | Callable[[str], str] | None

#: Relative and absolute tolerance by dtype; what is no float has to be equal.
_TOLERANCES = {
    float16: (1e-3, 1e-5),
    bfloat16: (1.6e-2, 1e-5),
    float32: (1.3e-6, 1e-5),
    float64: (1e-7, 1e-7),
}


@dataclass(frozen=True)
class _Options:
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_dtype: bool
    check_stride: bool

    def tolerances(self, *dtypes: DType) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(r for r, _ in found), max(a for _, a in found)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    """Passes if ``|actual - expected| <= atol + rtol * |expected|``, element by element.

    Args:
        actual, expected: tensors, arrays, numbers, None, or sequences and mappings of them.
        allow_subclasses: a ``Parameter`` may stand beside a ``Tensor``.
        rtol, atol: tolerances, both or none; by default those of the dtypes.
        equal_nan: NaN agrees with NaN.
        check_device, check_layout: the same for all tensors.
        check_dtype: the dtypes have to be the same.
        check_stride: so have the strides.
        msg: what to say instead, or a function of what would be said.

    Raises:
        AssertionError: if they differ, with where and by how much.
        ValueError: for one tolerance without the other, and for a negative one.
        TypeError: for what can't be compared.

    Source: https://docs.pytorch.org/docs/stable/testing.html
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    if any(t is not None and t < 0 for t in (rtol, atol)):
        raise ValueError(f"rtol and atol must be at least 0, got {rtol} and {atol}")
    options = _Options(allow_subclasses, rtol, atol, equal_nan, check_dtype, check_stride)
    found = _difference(actual, expected, options, "")
    if found:
        raise AssertionError(msg(found) if callable(msg) else found if msg is None else msg)


def _difference(actual: Any, expected: Any, options: _Options, item: str) -> str:
    """What differs; empty if nothing does."""
    at = f"\n\nThe failure occurred for item {item}" if item else ""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return _of_mappings(actual, expected, options, item)
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{at}"
        pairs = enumerate(zip(actual, expected, strict=True))
        return next((d for k, p in pairs if (d := _difference(*p, options, f"{item}[{k}]"))), "")
    if actual is None or expected is None:
        return "" if actual is expected else f"None mismatch: {actual} is not {expected}{at}"
    found = _of_numbers(actual, expected, options)
    if found is None:
        found = _of_tensors(actual, expected, options)
    return found and found + at


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _of_mappings(
    actual: Mapping[Any, Any], expected: Mapping[Any, Any], options: _Options, item: str
) -> str:
    if actual.keys() != expected.keys():
        missing = [k for k in expected if k not in actual]
        added = [k for k in actual if k not in expected]
        return (
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {missing}\n"
            f"Additional keys in the actual mapping: {added}"
        )
    for key, value in actual.items():
        found = _difference(value, expected[key], options, f"{item}[{key!r}]")
        if found:
            return found
    return ""


def _of_numbers(actual: Any, expected: Any, options: _Options) -> str | None:
    """What differs between numbers; None for what are none."""
    numbers = (bool, int, float, np.generic)
    if not isinstance(actual, numbers) or not isinstance(expected, numbers):
        return None
    if type(actual) is type(expected) is bool:
        return "" if actual is expected else f"Booleans mismatch: {actual} is not {expected}"
    if options.check_dtype and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    rtol, atol = options.tolerances(as_dtype(type(actual)), as_dtype(type(expected)))
    return _of_scalars(float(actual), float(expected), actual, expected, rtol, atol, options)


def _of_scalars(
    a: float, b: float, actual: Any, expected: Any, rtol: float, atol: float, options: _Options
) -> str:
    if a == b or actual == expected or (options.equal_nan and math.isnan(a) and math.isnan(b)):
        return ""
    if math.isfinite(a) and math.isfinite(b) and abs(a - b) <= atol + rtol * abs(b):
        return ""
    word, by = _words(rtol, atol)
    apart = abs(a - b)
    relative = apart / abs(b) if b else math.inf
    return (
        f"Scalars are not {word}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {apart}{by[0]}\nRelative difference: {relative}{by[1]}"
    )


def _words(rtol: float, atol: float) -> tuple[str, tuple[str, str]]:
    if not rtol and not atol:
        return "equal", ("", "")
    return "close", (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")


def _of_tensors(actual: Any, expected: Any, options: _Options) -> str:
    a, b = _compared(actual, expected, options)
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if options.check_dtype and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype!r} != {b.dtype!r}."
    if options.check_stride and a.stride() != b.stride():
        return f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}."
    rtol, atol = options.tolerances(a.dtype, b.dtype)
    kind = promote_types(a.dtype, b.dtype)
    a, b = a.to(kind), b.to(kind)
    close = isclose(a, b, rtol, atol, options.equal_nan).numpy()
    if close.all():
        return ""
    if not a.ndim:
        value, wanted = a.item(), b.item()
        return _of_scalars(float(value), float(wanted), value, wanted, rtol, atol, options)
    return _said(a, b, close, rtol, atol)


def _compared(actual: Any, expected: Any, options: _Options) -> tuple[Tensor, Tensor]:
    """Both as tensors, outside of history.

    Raises:
        TypeError: for what is no tensor or array, or of kinds that do not go together.
    """
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    same = type(actual) is type(expected) or (related and options.allow_subclasses)
    kinds = (Tensor, np.ndarray)
    if not same or not isinstance(actual, kinds) or not isinstance(expected, kinds):
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and "
            f"{type(expected)}."
        )
    return as_tensor(actual).detach(), as_tensor(expected).detach()


def _said(a: Tensor, b: Tensor, close: Any, rtol: float, atol: float) -> str:
    """How many elements differ, and where most."""
    exact = a.dtype if a.dtype.is_floating_point else float64
    x, y = (np.asarray(t.to(exact).numpy()) for t in (a, b))
    with np.errstate(all="ignore"):
        apart = np.where(close, 0.0, np.abs(x - y))
        relative = np.where(close, 0.0, apart / np.abs(y))
    word, by = _words(rtol, atol)
    lines = [f"Tensor-likes are not {word}!", "", _counted(int((~close).sum()), close.size)]
    for name, values, allowed in zip(("absolute", "relative"), (apart, relative), by, strict=True):
        place = tuple(int(k) for k in np.unravel_index(int(np.argmax(values)), values.shape))
        most = float(values[place])
        lines.append(f"Greatest {name} difference: {most} at index {place}{allowed}")
    return "\n".join(lines)


def _counted(wrong: int, size: int) -> str:
    return f"Mismatched elements: {wrong} / {size} ({wrong / size:.1%})"

"""Convolution in NumPy: windows gathered by a strided view, then one matrix product a group.

Depthwise convolutions (one input channel a group) have no product worth the gathering: they run
tap by tap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nngraph.ir.op import Array
from nngraph.ops.core import contiguous, sum_of, widen
from nngraph.ops.window.sliding import Sizes, Windows

__all__ = ["convolve", "input_gradient", "weight_gradient"]


def _columns(x: Array, windows: Windows) -> Array:
    """A view [N, C, *K, *places] of padded x: what each tap of each window reads."""
    rank, lead = windows.rank, x.ndim - windows.rank
    axes = tuple(range(lead, x.ndim))
    padded = windows.pad(x, 0.0)
    view = sliding_window_view(padded, windows.spans, axes)  # [N, C, *positions, *spans]
    counts = windows.places(x.shape[lead:])
    ends = [(c - 1) * s + 1 for c, s in zip(counts, windows.stride, strict=True)]
    index: list[Any] = [slice(None, e, s) for e, s in zip(ends, windows.stride, strict=True)]
    index += [slice(None, None, d) for d in windows.dilation]
    view = view[(..., *index)]
    return view.transpose(*range(lead), *range(lead + rank, lead + 2 * rank), *axes)


def convolve(x: Array, w: Array, windows: Windows, groups: int) -> Array:
    """y[N, O, *places] of x[N, C, *S] and w[O, C/groups, *K]."""
    n, sizes = x.shape[0], x.shape[2:]
    counts = windows.places(sizes)
    if w.shape[1] == 1 < groups:
        y = _depthwise(widen(x), widen(w), windows, groups)
    else:
        places = int(np.prod(counts))
        taps = w.shape[1] * int(np.prod(windows.kernel))
        columns = _columns(widen(x), windows).reshape(n, groups, taps, places)
        filters = widen(w).reshape(groups, w.shape[0] // groups, taps)
        y = np.matmul(filters, columns)
    return y.reshape(n, w.shape[0], *counts).astype(x.dtype, copy=False)


def _depthwise(x: Array, w: Array, windows: Windows, groups: int) -> Array:
    sizes = x.shape[2:]
    filters = w.reshape(groups, w.shape[0] // groups, *windows.kernel)
    padded = windows.pad(x, 0.0)[:, :, None]
    shape = (x.shape[0], *filters.shape[:2], *windows.places(sizes))
    y = np.zeros(shape, x.dtype)
    for tap, reads in windows.taps(sizes):
        y += padded[reads] * _spread(filters, tap)
    return y


def _spread(filters: Array, tap: Sizes) -> Array:
    """One tap's weights [groups, filters a group] beside the spatial axes."""
    index: Any = (..., *tap)
    picked: Array = filters[index]
    spread: Array = picked.reshape(*picked.shape, *(1,) * len(tap))
    return spread


def input_gradient(dy: Array, w: Array, windows: Windows, groups: int, sizes: Sizes) -> Array:
    """dx[N, C, *sizes]: each output adds its windows' taps back to where they read."""
    n, per_group = dy.shape[0], w.shape[0] // groups
    counts, kernel = dy.shape[2:], windows.kernel
    g, f = widen(dy), widen(w)
    dx = np.zeros((n, groups, w.shape[1], *windows.padded(sizes)), g.dtype)
    if w.shape[1] == 1 < groups:
        g = g.reshape(n, groups, per_group, *counts)
        filters = f.reshape(groups, per_group, *kernel)
        for tap, reads in windows.taps(sizes):
            dx[reads] += (g * _spread(filters, tap)).sum(2, keepdims=True)
    else:
        filters = f.reshape(groups, per_group, -1).transpose(0, 2, 1)
        columns = np.matmul(filters, g.reshape(n, groups, per_group, int(np.prod(counts))))
        columns = columns.reshape(n, groups, w.shape[1], *kernel, *counts)
        for tap, reads in windows.taps(sizes):
            dx[reads] += columns[(slice(None),) * 3 + tap]
    inside: Array = dx[windows.inside(sizes)]
    whole = contiguous(inside).reshape(n, groups * w.shape[1], *sizes)
    return whole.astype(dy.dtype, copy=False)


def weight_gradient(x: Array, dy: Array, windows: Windows, groups: int) -> Array:
    """dw[O, C/groups, *K]: products of outputs' gradients with what their windows read."""
    n, channels, filters = x.shape[0], x.shape[1] // groups, dy.shape[1]
    per_group, places = filters // groups, int(np.prod(dy.shape[2:]))
    g = widen(dy).reshape(n, groups, per_group, *dy.shape[2:])
    if channels == 1 < groups:
        dw = _depthwise_weight(widen(x), g, windows)
    else:
        taps = channels * int(np.prod(windows.kernel))
        columns = _columns(widen(x), windows).reshape(n, groups, taps, places)
        dw = _product_over_images(g.reshape(n, groups, per_group, places), columns)
    return dw.reshape(filters, channels, *windows.kernel).astype(x.dtype, copy=False)


def _product_over_images(left: Array, columns: Array) -> Array:
    """Sum over n of left[n, g, filters, places] @ columns[n, g, taps, places] transposed."""
    n, groups, filters, places = left.shape
    taps = columns.shape[2]
    if filters <= places:  # adding up results moves less memory than transposing the columns
        total = np.zeros((groups, filters, taps), np.float64)  # images may be many
        for one, read in zip(left, columns, strict=True):
            total += np.matmul(one, read.swapaxes(1, 2))
        return total.astype(left.dtype, copy=False)
    # One long product a group: all images' places are one summed axis.
    long = left.transpose(1, 2, 0, 3).reshape(groups, filters, n * places)
    flat = columns.transpose(1, 0, 3, 2).reshape(groups, n * places, taps)
    product: Array = np.matmul(long, flat)
    return product


def _depthwise_weight(x: Array, g: Array, windows: Windows) -> Array:
    n, groups, per_group = g.shape[:3]
    sizes = x.shape[2:]
    padded = windows.pad(x, 0.0)
    flat = g.reshape(n, groups, per_group, int(np.prod(g.shape[3:])))
    dw = np.zeros((groups, per_group, *windows.kernel), g.dtype)
    for tap, reads in windows.taps(sizes):
        read = padded[reads].reshape(n, groups, flat.shape[-1], 1)
        index: Any = (..., *tap)
        dw[index] = sum_of(np.matmul(flat, read), (0,))[..., 0]
    return dw

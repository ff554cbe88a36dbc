"""Convolutions and pools over planes whose sizes only a call knows, with their gradients."""

from __future__ import annotations

import pytest

from tests.frontend.parity import cases
from tests.support.dynamic import check

PLANES = cases(r"""
    F.max_pool2d(x, 2)  F.max_pool2d(x, 3, 2, 1)  F.max_pool2d(x, (2, 3), (3, 2), (1, 0))
    F.max_pool2d(x, 2, 3)  F.max_pool2d(x, 3, 2, 1, dilation=2)  F.max_pool2d(x.double(), 3, 2, 1)
    F.max_pool2d(x, 3, 2, 1, return_indices=True)  F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    F.max_pool2d(x.long(), 2, 2)  F.max_pool2d(x.half(), 3, 2, 1)  F.lp_pool2d(x.abs(), 2, 2)
    F.max_pool2d(m.where(x > 1, (x - x).detach() / (x - x).detach(), x), 3, 2, 1)
    F.avg_pool2d(x, 2)  F.avg_pool2d(x, 3, 2, 1)  F.avg_pool2d(x, (2, 3), (3, 2))
    F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)  F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
    F.avg_pool2d(x, 3, 2, divisor_override=5)  F.avg_pool2d(x.double(), 3, 2, 1)
    F.avg_pool2d(x.double(), 3, 2, 1, count_include_pad=False)
    F.conv2d(x, m.ones(3, 2, 3, 3) / 7, stride=2, padding=1)
    F.conv2d(x, m.ones(3, 2, 2, 2) / 7, stride=2)
    F.conv2d(x, m.ones(3, 2, 1, 1) / 7, stride=2)
    F.conv2d(x, m.ones(2, 2, 3, 3) / 7, padding='same')
    F.conv2d(x, m.ones(3, 2, 2, 3) / 7, stride=(3, 1), padding=(0, 2))
    F.conv2d(x, m.ones(3, 2, 3, 3) / 7, stride=2, dilation=2, padding=2)
    F.conv2d(x, m.ones(2, 1, 3, 3) / 7, stride=2, groups=2, padding=1)
    F.conv2d(x.double(), m.ones(3, 2, 3, 3).double() / 7, stride=2)
    F.conv_transpose2d(x, m.ones(2, 3, 3, 3) / 7, stride=2, padding=1, output_padding=1)
""")

LINES = cases(r"""
    F.conv1d(x, m.ones(3, 2, 3) / 7, stride=2, padding=1)  F.max_pool1d(x, 3, 2, 1)
    F.avg_pool1d(x, 3, 2, 1, count_include_pad=False)
""")


@pytest.mark.parametrize("text", PLANES)
def test_planes(text: str) -> None:
    check(text, {"x": ("n", 2, "h", "w")}, sizes=(5, 6, 9))


@pytest.mark.parametrize("text", LINES)
def test_lines(text: str) -> None:
    check(text, {"x": ("n", 2, "h")}, sizes=(4, 5, 7))

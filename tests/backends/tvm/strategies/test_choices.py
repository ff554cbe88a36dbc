"""The choice between kernels, pinned for the benchmarks' shapes on machines that need not be here.

After a change that is meant:

    for m in x86-64-v3 x86-64-v4; do
        python -m benchmarks.choices $m > tests/backends/tvm/strategies/choices/$m.txt
    done
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.choices import line, specs
from nngraph.backends.tvm import specs as kinds
from nngraph.backends.tvm import tiles
from nngraph.backends.tvm.codegen.body.plan import BodySpec
from nngraph.backends.tvm.machine import Device, Machine
from nngraph.backends.tvm.specs import (
    ConvForward,
    ConvInputGradient,
    ConvSpec,
    ConvWeightGradient,
    GemmSpec,
    MaxPool,
    PoolSpec,
    TransposeSpec,
)
from nngraph.backends.tvm.strategies.base import NoStrategy, Strategy, cheapest, strategy
from nngraph.backends.tvm.strategies.table import STRATEGIES, choose, explain

FOLDER = Path(__file__).parent / "choices"
AVX2, AVX512 = Machine.named("x86-64-v3"), Machine.named("x86-64-v4")
WORDS = {name: getattr(kinds, name) for name in dir(kinds) if name[0].isupper()}


def recorded(machine: Machine) -> list[str]:
    return (FOLDER / f"{machine.cpu}.txt").read_text().splitlines()


def spec_in(text: str) -> Any:
    """The spec of a recorded line."""
    return eval(text.split(" -> ")[0], {**WORDS, "BodySpec": BodySpec})


@pytest.mark.parametrize("machine", [AVX2, AVX512], ids=lambda m: m.cpu)
def test_choices_are_the_recorded_ones(machine: Machine) -> None:
    for text in recorded(machine):
        assert line(spec_in(text), machine) == text


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_record_is_of_todays_kernels(name: str) -> None:
    """What kernels compute, and the work that is counted for them, is in the record."""
    known = {spec_in(text) for text in recorded(AVX2)}
    assert [s for s in specs([name]) if s not in known] == []


def gemm(rows: int, columns: int, inner: int = 512, transposed: bool = True) -> GemmSpec:
    return GemmSpec.contiguous(rows, columns, inner, transpose_b=transposed)


def conv(channels: int, out: int, size: int, kernel: int = 3, groups: int = 1) -> ConvSpec:
    two, pad = (1, 1), (kernel // 2,) * 2
    return ConvSpec(32, channels, out, (size,) * 2, (kernel,) * 2, two, pad, pad, two, groups)


POOL = PoolSpec(64, (8, 8), (4, 4), (2, 2), (2, 2), (0, 0), (0, 0), (1, 1))
# What is chosen on both sides of each threshold: with AVX2, and with AVX-512.
CASES: list[tuple[object, str, str]] = [
    (gemm(16, 512), "DotGemm", "DotGemm"),
    (gemm(17, 512), "PanelGemm", "PanelGemm"),
    (gemm(512, 16), "DotGemm", "DotGemm"),
    (gemm(512, 17), "PanelGemm", "PanelGemm"),
    (gemm(4, 512, transposed=False), "PanelGemm", "PanelGemm"),
    (gemm(4, 512, inner=31), "DotGemm", "PanelGemm"),
    (gemm(4, 512, inner=15), "PanelGemm", "PanelGemm"),
    (ConvForward(conv(64, 64, 32)), "RowTapConv", "RowTapConv"),
    (ConvForward(conv(64, 64, 9)), "ImageTapConv", "ImageTapConv"),
    (ConvForward(conv(64, 64, 4)), "ImageTapConv", "ImageTapConv"),
    (ConvForward(conv(2, 64, 4)), "RowTapConv", "RowTapConv"),
    (ConvForward(conv(64, 7, 4)), "RowTapConv", "RowTapConv"),
    (ConvForward(conv(64, 8, 4)), "ImageTapConv", "RowTapConv"),
    (ConvInputGradient(conv(64, 64, 4)), "ImageTapConv", "ImageTapConv"),
    (ConvForward(conv(64, 64, 8, kernel=1)), "PointwiseConv", "PointwiseConv"),
    (ConvForward(conv(128, 64, 8, kernel=1, groups=2)), "RowTapConv", "ChannelTapConv"),
    (ConvForward(conv(126, 64, 8, kernel=1, groups=2)), "RowTapConv", "RowTapConv"),
    (ConvWeightGradient(conv(8, 3, 8)), "PositionWeights", "PositionWeights"),
    (ConvWeightGradient(conv(8, 4, 8)), "ChannelWeights", "PositionWeights"),
    (ConvWeightGradient(conv(8, 8, 8)), "ChannelWeights", "ChannelWeights"),
    (ConvWeightGradient(conv(64, 64, 8, groups=64)), "PositionWeights", "PositionWeights"),
    (TransposeSpec((48, 64), (1, 0)), "TileTranspose", "TileTranspose"),
    (TransposeSpec((48, 60), (1, 0)), "RowTranspose", "RowTranspose"),
    (TransposeSpec((8, 64), (1, 0)), "RowTranspose", "RowTranspose"),
    (TransposeSpec((4, 48, 64), (1, 0, 2)), "RowTranspose", "RowTranspose"),
    (MaxPool(POOL), "PlanePool", "PlanePool"),
    (BodySpec((64, 64), (), 3, 12288), "ElementBody", "ElementBody"),
    (BodySpec((64, 64), (1,), 3, 12288), "RowBody", "RowBody"),
    (BodySpec((64, 64), (0,), 3, 12288), "ColumnBody", "ColumnBody"),
]


@pytest.mark.parametrize(("spec", "avx2", "avx512"), CASES, ids=lambda x: str(x)[:60])
def test_both_sides_of_each_threshold(spec: object, avx2: str, avx512: str) -> None:
    assert (choose(spec, AVX2).name, choose(spec, AVX512).name) == (avx2, avx512)


def test_every_row_is_the_best_somewhere() -> None:
    texts = [text for machine in (AVX2, AVX512) for text in recorded(machine)]
    picked = {text.split(" -> ")[1].split()[0] for text in texts}
    picked |= {name for _, *names in CASES for name in names}
    assert picked == {row.name for row in STRATEGIES}


@pytest.mark.parametrize(
    ("rows", "columns", "inner", "dtype", "packed"),
    [
        (48, 512, 128, "float32", False),
        (49, 512, 128, "float32", True),  # panels pay back
        (32, 513, 128, "float32", True),  # each row of B in a page of its own
        (32, 128, 513, "float32", True),  # more than half of the second cache
        (32, 256, 128, "float64", False),
        (32, 512, 64, "float64", True),
        (16, 1024, 1024, "float32", False),
        (32, 512, 128, "float16", True),  # to be widened
    ],
)
def test_few_rows_leave_a_near_operand_where_it_is(
    rows: int, columns: int, inner: int, dtype: str, packed: bool
) -> None:
    spec = GemmSpec.contiguous(rows, columns, inner, dtype=dtype)
    tile = choose(spec, AVX512).tile(spec, AVX512)
    assert isinstance(tile, tiles.PanelTile)
    assert tile.pack_b is packed


def test_a_choice_depends_on_nothing_but_spec_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVM_NUM_THREADS", "7")
    for cores in (1, 64):
        assert choose(gemm(16, 512), replace(AVX2, cores=cores)).name == "DotGemm"


def test_tiles_of_sums_fit_the_registers() -> None:
    for machine in (AVX2, AVX512):
        for text in recorded(machine):
            spec = spec_in(text)
            match choose(spec, machine).tile(spec, machine):
                case tiles.PanelTile(rows, columns):
                    sums = rows * columns / machine.lanes(spec_type(spec))
                case tiles.TapTile(channels, positions, lanes, channel_lanes):
                    sums = channels * positions / (lanes if channel_lanes else 1)
                case tiles.ChannelWeightTile(width, rows):
                    sums = width * rows / machine.lanes("float32")
                case tiles.DotTile(rows, columns):
                    sums = rows * columns
                case tiles.PositionWeightTile(_, taps):
                    sums = taps
                case _:
                    continue
            assert sums < machine.registers, text


def spec_type(spec: Any) -> str:
    return getattr(spec, "dtype", "float32")


EXPLAINED = """\
GemmSpec(rows=4, columns=512, inner=31, batch=(), a=MatrixLayout(row=31, column=1, batch=()), \
b=MatrixLayout(row=1, column=31, batch=()), c=MatrixLayout(row=512, column=1, batch=()), \
dtype='float32', out_dtype='float32', swapped=False) on x86-64-v4
--> PanelGemm: 6.16 us, PanelTile(rows=4, columns=32, block=4, depth=31, pack_a=False, \
pack_b=True, parts=8)
    DotGemm: no, an inner extent of 31 is less than two vectors of 16"""


def test_a_choice_explains_itself() -> None:
    assert explain(gemm(4, 512, inner=31), AVX512) == EXPLAINED
    assert "--> DotGemm" in explain(gemm(4, 512, inner=31), AVX2)


def test_what_no_row_computes_is_an_error_that_says_so() -> None:
    with pytest.raises(NoStrategy, match="no strategy computes this"):
        choose(3, AVX2)


@dataclass(frozen=True)
class Nothing:
    """A spec of a test."""


@strategy(Nothing, device=Device.CPU)
class Refusing(Strategy[Nothing]):
    """Fits nothing."""

    def fits(self, spec: Nothing, machine: Machine) -> str | None:
        return "nothing is too little"


def test_if_no_row_fits_the_reasons_are_in_the_error() -> None:
    with pytest.raises(NoStrategy, match="Refusing: no, nothing is too little"):
        cheapest([Refusing()], Nothing(), AVX2)

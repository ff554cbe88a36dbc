from __future__ import annotations

import pytest

from benchmarks.compile_time import COLD, WARM, Start, exponent, report, start, table


def test_exponents() -> None:
    sizes = [10, 20, 40]
    assert exponent(sizes, [2.0 * n for n in sizes]) == pytest.approx(1)
    assert exponent(sizes, [0.5 * n**2 for n in sizes]) == pytest.approx(2)


def test_a_table_has_a_line_for_each_size_and_one_for_growth() -> None:
    starts = [Start(n, 36 * n, dict.fromkeys(COLD, 0.001 * n)) for n in (10, 20)]
    title, head, *rows, growth = table("cold", COLD, starts)
    assert title == "cold" and head.split() == ["layers", "nodes", *COLD, "total", "ms/node"]
    assert [r.split()[:2] for r in rows] == [["10", "360"], ["20", "720"]]
    assert set(growth.split()) == {"exponent", "1.00"}


def test_the_second_start_is_warm(tmp_path: object) -> None:
    cold, warm = (start("onnx", 8, str(tmp_path)) for _ in range(2))
    assert tuple(cold.seconds) == COLD and tuple(warm.seconds) == WARM
    assert cold.nodes == warm.nodes > 250


def test_a_report_starts_processes() -> None:
    lines = report("onnx", [2])
    assert lines[0] == "onnx, cold" and lines[-1].startswith("warm of cold, after the trace: ")

"""The tables: what was measured, on what machine, with which versions."""

from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.contenders import OURS, PEERS, TITLES
from benchmarks.rounds import Measurement, Result

PACKAGES = ("nngraph", "numpy", "torch", "jax", "onnx", "onnxruntime", "apache-tvm")
HEADER = ("contender", "ms/step", "min..max", "ratio to best peer", "first call s", "peak MB")


def best_peer_ms(result: Result) -> float | None:
    """The fastest peer's median, or None when no peer was timed."""
    times = [m.median_ms for m in result.measurements if m.contender in PEERS]
    return min((time for time in times if time is not None), default=None)


def ratio(result: Result, measurement: Measurement) -> float | None:
    """A contender's median over the best peer's."""
    best = best_peer_ms(result)
    if best is None or measurement.median_ms is None:
        return None
    return measurement.median_ms / best


def row(result: Result, measurement: Measurement) -> tuple[str, ...]:
    """The cells of one contender."""
    title = TITLES[measurement.contender]
    first = _number(measurement.first_seconds, 2)
    if measurement.median_ms is None:
        return (title, "FAILED", "-", "-", first, "-")
    spread = f"{_ms(min(measurement.rounds_ms))}..{_ms(max(measurement.rounds_ms))}"
    return (
        title,
        _ms(measurement.median_ms),
        spread,
        _number(ratio(result, measurement), 2),
        first,
        _number(measurement.peak_mb, 0),
    )


def _ms(value: float) -> str:
    """Three digits, and all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def format_result(result: Result) -> str:
    """One case: its heading, the floor, a row for each contender, and why some have no times."""
    title = f"### {result.case.workload.title}: {result.case.mode}"
    floor = f"Floor {_ms(result.floor_ms)} ms"
    best = best_peer_ms(result)
    if best is not None:
        floor += f"; the best peer takes {best / result.floor_ms:.1f} times that"
    if result.case.small:
        title, floor = f"{title} (tiny sizes)", "A smoke test: times say nothing"
    parts = [
        title,
        f"{floor}.",
        format_table(HEADER, [row(result, m) for m in result.measurements]),
    ]
    parts += [f"- {TITLES[m.contender]}: {m.error}" for m in result.measurements if m.error]
    return "\n\n".join(parts)


def summary(results: Sequence[Result]) -> str:
    """Ratios of nngraph's contenders to the best peer of each case, and their geometric mean."""
    names = [n for n in OURS if any(m.contender == n for r in results for m in r.measurements)]
    rows: list[list[str]] = []
    columns: list[list[float | None]] = []
    for result in results:
        found = {m.contender: ratio(result, m) for m in result.measurements}
        values = [found.get(name) for name in names]
        values.append(min((v for v in values if v is not None), default=None))
        columns.append(values)
        rows.append([result.case.name, result.case.mode, *(_number(v, 2) for v in values)])
    means = [_geometric_mean(column) for column in zip(*columns, strict=True)]
    rows.append(["geometric mean", f"{len(results)} cases", *means])
    header = ["workload", "mode", *(TITLES[name] for name in names), "best of nngraph"]
    return "\n".join(
        ["### Ratio to the best peer (below 1 is faster)", "", format_table(header, rows)]
    )


def _geometric_mean(values: Sequence[float | None]) -> str:
    """Over all cases, or a dash when a case is missing: a partial mean would mislead."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    return f"{math.exp(statistics.fmean(map(math.log, known))):.2f}"


def machine(threads: int) -> str:
    """Processor, cores, load and versions, as a list."""
    return "\n".join(
        [
            f"- {datetime.date.today().isoformat()}, {processor()}, {os.cpu_count()} cores, "
            f"{threads} threads a contender, {platform.system()} {platform.release()}",
            f"- load average before the run: {os.getloadavg()[0]:.2f}",
            f"- Python {platform.python_version()}, " + ", ".join(versions()),
        ]
    )


def processor() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":", 1)[1].strip() if names else platform.machine()


def versions() -> list[str]:
    """Installed packages that take part."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"{package} from the source tree" if package == "nngraph" else "")
    return [name for name in found if name]


METHOD = """\
Every contender runs in its own process, starts from the same weights, sees the same batches, and
has reproduced PyTorch's first losses (or outputs) before it is timed. Contenders take turns;
a time is the median over the turns of each turn's median step. The first call includes tracing and
compiling with empty caches. The peak memory is the whole process's, imports and all. The floor is
what matrix products and the optimizer's memory traffic need at least (`benchmarks/floors.py`)."""


def document(command: str, about: str, results: Sequence[Result], notes: Sequence[str]) -> str:
    """The text of ``RESULTS.md``."""
    parts = ["# Benchmark results", METHOD, about, f"```\n{command}\n```", summary(results)]
    parts += [format_result(result) for result in results]
    return "\n\n".join([*parts, *notes]) + "\n"

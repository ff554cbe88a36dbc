"""Profiles: what a step's time and memory go to, by operator, module and phase."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from nngraph.backends.files import write_atomically
from nngraph.backends.watch import Piece, Recording, Turn
from nngraph.ir.origin import PHASES
from nngraph.runtime.table import amount, table

__all__ = ["Profile", "ProfileRow", "profile_of"]

#: Rows of no module, in tables.
_NO_MODULE = {"update": "(optimizer)", "runtime": "(runtime)"}


@dataclass(frozen=True)
class ProfileRow:
    """What one operator, or one kernel of several, took in a step.

    Attributes:
        name: of its own in the profile: of the node, or the kernel and its number.
        operator: what it computes; ``a + b`` for a kernel of several operators.
        module: the path of the user's module that it is of; of several the part that their paths
            share, or the paths where they share none; empty for code outside of modules.
        phase: ``"forward"``, ``"backward"``, ``"update"``, joined by ``+`` for a kernel of several;
            ``"runtime"`` for what the backend added and is next to nothing of the user's.
        place: the user's lines, as ``train.py:14``.
        calls: how often it runs in a step.
        milliseconds: of a step, without other rows that run inside of it.
        share: of the time of the step, from 0 to 1.
        nbytes: bytes of its results in a step.
        nodes: the nodes of the ONNX model that it is made of, on the backend ``"onnx"``.
    """

    name: str
    operator: str
    module: str
    phase: str
    place: str
    calls: int
    milliseconds: float
    share: float
    nbytes: int
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """What the time and memory of a step go to.

    Attributes:
        backend: that it ran on.
        steps: how many were measured. Times are means over the faster half of them: in the others
            something else took the processor.
        milliseconds: of a step; that of all rows is less, by what the backend does between them.
        rows: the longest first.
        state_bytes: of parameters, buffers and the optimizer's state.
        peak_bytes: the most that values between operators take at a time: on ``"tvm"`` the size of
            the arena, on the other backends the sum of the sizes of those that are still needed.
    """

    backend: str
    steps: int
    milliseconds: float
    rows: tuple[ProfileRow, ...]
    state_bytes: int
    peak_bytes: int
    _recording: Recording

    def table(self, by: str = "operator", depth: int | None = None) -> str:
        """Groups of rows under their sums, the longest first.

        Args:
            by: ``"operator"``, ``"module"``, ``"phase"``, or ``"row"`` for each row by itself.
            depth: parts of the paths of modules that are told apart; None for all.

        Raises:
            ValueError: for another ``by``, or a ``depth`` below 1.
        """
        if by == "row":
            columns = ("name", "operator", "module", "phase", "line", "ms", "share", "bytes")
            cells = [(r.name, r.operator, *_place(r), *_sums([r])[1:]) for r in self.rows]
            return table(columns, cells)
        groups = self.groups(by, depth)
        headers = (by, "calls", "ms", "share", "bytes")
        return table(headers, [(name, *_sums(rows)) for name, rows in groups.items()])

    def groups(self, by: str, depth: int | None = None) -> dict[str, list[ProfileRow]]:
        """Rows by what they have in common, the group that took longest first.

        Args:
            by: ``"operator"``, ``"module"`` or ``"phase"``.
            depth: parts of the paths of modules that are told apart; None for all.

        Raises:
            ValueError: for another ``by``, or a ``depth`` below 1.
        """
        if by not in _KEYS:
            known = ", ".join(map(repr, (*_KEYS, "row")))
            raise ValueError(f"by is {by!r}; the tables of a profile are {known}")
        if depth is not None and depth < 1:
            raise ValueError(f"depth is {depth}; wanted at least 1, or None for whole paths")
        found: dict[str, list[ProfileRow]] = {}
        for row in self.rows:
            found.setdefault(_KEYS[by](row, depth), []).append(row)
        order = sorted(found, key=lambda name: -sum(r.milliseconds for r in found[name]))
        return {name: found[name] for name in order}

    def __str__(self) -> str:
        within = sum(row.milliseconds for row in self.rows)
        head = (
            f"{self.milliseconds:.3f} ms a step on {self.backend} (the faster half of "
            f"{self.steps}), "
            f"{within:.3f} ms of it in {len(self.rows)} operators and kernels\n"
            f"{amount(self.state_bytes, 'B')} of state, {amount(self.peak_bytes, 'B')} at most for "
            "values between operators"
        )
        return "\n\n".join((head, *(self.table(by) for by in ("phase", "module", "operator"))))

    def to_dict(self) -> dict[str, Any]:
        """What ``to_json`` writes."""
        return {
            "backend": self.backend,
            "steps": self.steps,
            "milliseconds": self.milliseconds,
            "state_bytes": self.state_bytes,
            "peak_bytes": self.peak_bytes,
            "rows": [
                {
                    "name": r.name,
                    "operator": r.operator,
                    "module": r.module,
                    "phase": r.phase,
                    "place": r.place,
                    "calls": r.calls,
                    "milliseconds": r.milliseconds,
                    "share": r.share,
                    "bytes": r.nbytes,
                    "nodes": r.nodes,
                }
                for r in self.rows
            ],
        }

    def to_json(self, path: str | PathLike[str]) -> None:
        """Writes all rows as JSON: milliseconds and bytes of a step.

        Raises:
            OSError: if the file cannot be written.
        """
        write_atomically(Path(fspath(path)), json.dumps(self.to_dict(), indent=1).encode())

    def to_chrome_trace(self, path: str | PathLike[str]) -> None:
        """Writes the measured steps for chrome://tracing and ui.perfetto.dev.

        It is JSON in the Trace Event Format: an event for each step, and for each run of an
        operator or kernel, with its module, line, phase and bytes.

        Raises:
            OSError: if the file cannot be written.
        """
        rows = {row.name: row for row in self.rows}
        events = [*_names(self.backend)]
        turns, pieces = self._recording.turns, self._recording.pieces
        start = turns[0].start if turns else 0.0
        for number, turn in enumerate(turns):
            events.append(_event(f"step {number}", "step", turn.start, turn.end, start, 0, {}))
            for span in turn.spans:
                row = rows[pieces[span.piece].name]
                facts = {
                    "name": row.name,
                    "module": row.module,
                    "line": row.place,
                    "bytes": row.nbytes,
                }
                events.append(
                    _event(row.operator, row.phase, span.start, span.end, start, 1, facts)
                )
        data = {"traceEvents": events, "displayTimeUnit": "ms"}
        write_atomically(Path(fspath(path)), json.dumps(data).encode())

    def node_times(self) -> dict[str, float]:
        """Milliseconds of a step by the names of the nodes of the ONNX model.

        What the runtime fused stands at the node that its kernel is named after, or the last one.
        """
        found: dict[str, float] = {}
        kernels = {piece.name: piece for piece in self._recording.pieces}
        for row in self.rows:
            if not row.nodes:
                continue
            piece = kernels[row.name]
            fits = [part.node for part in piece.parts if part.operator in piece.kernel]
            name = fits[0] if fits else row.nodes[-1]
            found[name] = found.get(name, 0.0) + row.milliseconds
        return found


def _sums(rows: Sequence[ProfileRow]) -> tuple[str, ...]:
    calls, nbytes = sum(r.calls for r in rows), sum(r.nbytes for r in rows)
    took, share = sum(r.milliseconds for r in rows), sum(r.share for r in rows)
    return f"{calls}", f"{took:.4f}", f"{100 * share:.1f} %", amount(nbytes, "B")


def _place(row: ProfileRow) -> tuple[str, ...]:
    return _module(row, None), row.phase, row.place


def _module(row: ProfileRow, depth: int | None) -> str:
    paths = (".".join(path.split(".")[:depth]) for path in row.module.split(", "))
    return ", ".join(dict.fromkeys(paths)) or _NO_MODULE.get(row.phase, "(no module)")


_KEYS: dict[str, Callable[[ProfileRow, int | None], str]] = {
    "operator": lambda row, _: row.operator,
    "module": _module,
    "phase": lambda row, _: row.phase,
}


def _names(backend: str) -> Iterator[dict[str, Any]]:
    """The names that viewers show for the process and its two tracks."""
    yield {"name": "process_name", "ph": "M", "pid": 0, "args": {"name": f"nngraph on {backend}"}}
    for track, name in enumerate(("steps", "operators")):
        yield {"name": "thread_name", "ph": "M", "pid": 0, "tid": track, "args": {"name": name}}


def _event(
    name: str, kind: str, start: float, end: float, zero: float, track: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """A complete event; its times are in microseconds."""
    ts, dur = 1e6 * (start - zero), 1e6 * (end - start)
    return {
        "name": name,
        "cat": kind,
        "ph": "X",
        "ts": ts,
        "dur": dur,
        "pid": 0,
        "tid": track,
        "args": facts,
    }


# -- from a recording ----------------------------------------------------------------------------
def profile_of(recording: Recording, backend: str, state_bytes: int) -> Profile:
    """The means over the faster half of the calls of a recording.

    Args:
        recording: of at least one call.
        backend: that they ran on.
        state_bytes: of all states.
    """
    turns = sorted(recording.turns, key=lambda turn: turn.end - turn.start)
    turns = turns[: (len(turns) + 1) // 2]
    count = len(turns)
    whole = sum(turn.end - turn.start for turn in turns)
    share = 1 / whole if whole else 0.0  # where there is nothing to be run
    times = [0.0] * len(recording.pieces)
    calls = [0] * len(recording.pieces)
    for turn in turns:
        for piece, seconds in _own_times(turn):
            times[piece] += seconds
            calls[piece] += 1
    rows = [
        _row(piece, round(calls[i] / count), times[i] * 1e3 / count, times[i] * share)
        for i, piece in enumerate(recording.pieces)
    ]
    rows.sort(key=lambda row: -row.milliseconds)
    took = whole * 1e3 / count
    measured = len(recording.turns)
    return Profile(backend, measured, took, tuple(rows), state_bytes, recording.peak, recording)


def _own_times(turn: Turn) -> Iterator[tuple[int, float]]:
    """Of each span its piece and its time without the spans inside of it."""
    own = [span.end - span.start for span in turn.spans]
    around: list[int] = []
    for number, span in enumerate(turn.spans):
        while around and turn.spans[around[-1]].end <= span.start:
            around.pop()
        if around and span.end <= turn.spans[around[-1]].end:
            own[around[-1]] -= span.end - span.start
        around.append(number)
    for span, seconds in zip(turn.spans, own, strict=True):
        yield span.piece, max(seconds, 0.0)


def _row(piece: Piece, calls: int, milliseconds: float, share: float) -> ProfileRow:
    parts = piece.parts or piece.near
    places = [part.place for part in parts]
    # What checks an argument says so in the place of a module, in a sentence.
    modules = dict.fromkeys(p.module for p in places if p.module and " " not in p.module)
    lines = dict.fromkeys(f"{p.file.rsplit('/', 1)[-1]}:{p.line}" for p in places if p.file)
    phases = {p.phase for p in places}
    nodes = tuple(part.node for part in piece.parts if part.node)
    return ProfileRow(
        piece.name,
        _operator(piece),
        _shared(list(modules)),
        "+".join(p for p in PHASES if p in phases) or "runtime",
        _listed(list(lines), ", "),
        calls,
        milliseconds,
        share,
        piece.nbytes * max(calls, 1),
        nodes,
    )


def _operator(piece: Piece) -> str:
    """The runtime's kernel where it has a name of its own, else the operators in it."""
    if not piece.parts or piece.kernel != "fused":
        return piece.kernel
    return _listed(list(dict.fromkeys(part.operator for part in piece.parts)), " + ")


def _listed(names: list[str], between: str) -> str:
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return between.join(shown)


def _shared(paths: list[str]) -> str:
    """The start that all paths share; the paths where there is none."""
    if len(paths) < 2:
        return "".join(paths)
    parts = [path.split(".") for path in paths]
    count = 0
    for heads in zip(*parts, strict=False):
        if len(set(heads)) > 1:
            break
        count += 1
    return ".".join(parts[0][:count]) or _listed(paths, ", ")

"""What ONNX Runtime's own profile says, in terms of the nodes that it was given.

The runtime fuses nodes and names what it made anew. The model as it rewrote it says what each node
reads and makes; the nodes between the two in the model that it was given are what it was made of.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from nngraph.backends.onnx.artifact import MODEL_FILE, OnnxArtifact
from nngraph.backends.onnx.load import OnnxExecutable, session
from nngraph.backends.watch import Part, Piece, Recording, Span, Turn, most_at_a_time

__all__ = ["Notes", "WatchedModel"]

_SUFFIX = "_kernel_time"
#: Bytes of an element, by the runtime's names of types.
_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float"), 4),
    **dict.fromkeys(("int64", "uint64", "double"), 8),
}


class WatchedModel(OnnxExecutable):
    """A model whose nodes the runtime times."""

    def __init__(self, artifact: OnnxArtifact, threads: int, in_place: bool) -> None:
        self._notes = Notes()
        self._calls = 0
        super().__init__(artifact, threads, in_place)

    def _open(
        self, artifact: OnnxArtifact, threads: int, spinning: bool, cache: Path | None
    ) -> Any:
        try:
            if not artifact.data:
                return self._notes.session(artifact.model, artifact.model, threads)
            folder = self._notes.folder / "artifact"
            artifact.write(folder)
            return self._notes.session(str(folder / MODEL_FILE), artifact.model, threads)
        except BaseException:
            self._notes.close()
            raise

    def run(self, *arguments: Any) -> Any:
        self._calls += 1
        return super().run(*arguments)

    def recorded(self) -> Recording:
        if self.session is None:
            return Recording((), (Turn(0.0, 0.0, ()),) * self._calls, 0)
        return self._notes.recorded()

    def close(self) -> None:
        self.session = None
        self._banks = []
        self._notes.close()


class Notes:
    """A session and what it noted, in a folder that is gone after ``close``."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._rewritten = self.folder / "rewritten.onnx"
        self._given = b""
        self._session: Any = None

    def session(self, model: bytes | str, given: bytes, threads: int) -> Any:
        """A session of a model that times each node.

        Args:
            model: its bytes, or the path of a file.
            given: its bytes.
            threads: of a call.
        """
        from onnx import ModelProto, TensorProto

        self._given = given
        constants = ModelProto.FromString(given).graph.initializer
        # What has its constants in files of its own would be written with all of them inside.
        apart = any(c.data_location == TensorProto.EXTERNAL for c in constants)
        path = None if apart else self._rewritten
        notes = self.folder / "times"
        self._session = session(model, threads, optimized=path, notes=notes)
        return self._session

    def recorded(self) -> Recording:
        """All calls of the session, which takes none after that."""
        from onnx import ModelProto

        events = json.loads(Path(self._session.end_profiling()).read_text())
        given = ModelProto.FromString(self._given).graph
        known = self._rewritten.is_file()
        run = ModelProto.FromString(self._rewritten.read_bytes()).graph if known else given
        return _Reader(given, run).recording(events)

    def close(self) -> None:
        self._session = None
        self._temporary.cleanup()


def _all_nodes(graph: Any, around: str = "") -> Iterator[tuple[Any, str]]:
    """The nodes of a graph and of the bodies in it with their origins; nodes of a body that are of
    no module have the origin of the node around them.
    """
    for node in graph.node:
        origin = node.doc_string
        if around and not Part(node.op_type, origin).place.module:
            origin = around
        yield node, origin
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_nodes(attribute.g, origin)


class _Reader:
    def __init__(self, given: Any, run: Any) -> None:
        nodes = list(_all_nodes(given))
        self._named = {node.name: node for node, _ in nodes}
        self._origins = {node.name: origin for node, origin in nodes}
        self._makers = {name: node for node, _ in nodes for name in node.output if name}
        self._run = {node.name: node for node, _ in _all_nodes(run)}
        made = {name for node in self._run.values() for name in node.output}
        self._known = made | {v.name for v in run.input} | {t.name for t in run.initializer}
        self._results = {v.name for v in run.output}
        self._pieces: dict[str, int] = {}
        self._found: list[Piece] = []

    def recording(self, events: Sequence[Mapping[str, Any]]) -> Recording:
        """The calls that a profile tells about."""
        rows = [e for e in events if e.get("ph") == "X"]
        calls = sorted((e for e in rows if e["name"] == "model_run"), key=lambda e: e["ts"])
        nodes = [e for e in rows if e["cat"] == "Node" and e["name"].endswith(_SUFFIX)]
        nodes.sort(key=lambda e: (e["ts"], -e["dur"]))
        turns: list[Turn] = []
        place = 0
        last: list[Mapping[str, Any]] = []
        for call in calls:
            end = call["ts"] + call["dur"]
            first = place
            while place < len(nodes) and nodes[place]["ts"] < end:
                place += 1
            last = nodes[first:place]
            spans = tuple(Span(self._piece(e), *_seconds(e)) for e in last)
            turns.append(Turn(*_seconds(call), spans))
        return Recording(tuple(self._found), tuple(turns), self._peak(last))

    def _piece(self, event: Mapping[str, Any]) -> int:
        name = event["name"].removesuffix(_SUFFIX)
        if name not in self._pieces:
            self._pieces[name] = len(self._found)
            self._found.append(self._made(name, event["args"]))
        return self._pieces[name]

    def _made(self, name: str, facts: Mapping[str, Any]) -> Piece:
        kind, size = str(facts["op_name"]), int(facts.get("output_size", 0))
        same = self._named.get(name)
        if same is not None and same.op_type == kind:
            return Piece(name, kind, (self._part(same),), size)
        node = self._run.get(name)
        if node is None:
            return Piece(name, kind, (), size)
        parts = tuple(map(self._part, self._between(node) or self._namesakes(name)))
        sources = [self._makers[n] for n in node.input if n in self._makers]
        return Piece(name, kind, parts, size, () if parts else tuple(map(self._part, sources)))

    def _part(self, node: Any) -> Part:
        return Part(node.op_type, self._origins[node.name], node.name)

    def _between(self, node: Any) -> list[Any]:
        """The given nodes that one of the runtime's computes, in the order of the model."""
        found: dict[str, Any] = {}
        waiting = [name for name in node.output if name in self._makers]
        while waiting:
            maker = self._makers[waiting.pop()]
            if maker.name not in found:
                found[maker.name] = maker
                more = (n for n in maker.input if n not in self._known and n in self._makers)
                waiting += more
        return [each for name, each in self._named.items() if name in found]

    def _namesakes(self, name: str) -> list[Any]:
        """The given node that one of the runtime's is named after: it adds to the ends of names."""
        found = [n for n in self._named if n and name.startswith(n)]
        return [self._named[max(found, key=len)]] if found else []

    def _peak(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Of one call, by the sizes that its nodes' results had."""
        sizes: dict[str, tuple[int, int]] = {}
        last: dict[str, int] = {}
        for moment, event in enumerate(events):
            node = self._run.get(event["name"].removesuffix(_SUFFIX))
            if node is None:
                continue
            last.update((name, moment) for name in node.input)
            outputs = [name for name in node.output if name]
            shapes = event["args"].get("output_type_shape", ())
            for name, shape in zip(outputs, shapes, strict=False):
                if name not in self._results:
                    sizes[name] = (moment, _nbytes(shape))
        return most_at_a_time((i, last.get(name, i), size) for name, (i, size) in sizes.items())


def _seconds(event: Mapping[str, Any]) -> tuple[float, float]:
    """The profile's microseconds."""
    return event["ts"] * 1e-6, (event["ts"] + event["dur"]) * 1e-6


def _nbytes(shapes: Mapping[str, Collection[int]]) -> int:
    return sum(_BYTES.get(kind, 0) * prod(shape) for kind, shape in shapes.items())

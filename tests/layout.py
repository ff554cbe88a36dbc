"""The rules on the source tree, each a function from source text to findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import networkx as nx

# Each layer imports only itself and those before it: the order of docs/architecture.md.
LAYERS = (
    "version",
    "ir",
    "ops",
    "interpreter",
    "passes",
    "backends",
    "runtime",
    "frontend",
    "nn",
    "optim",
    # Modules at PyTorch's paths: what `nngraph` imports when it is first asked for.
    "accelerator",
    "func",
    "autograd",
    "amp",
    "cpu",
    "cuda",
    "utils",
    "linalg",
    "fft",
    "special",
    "distributions",
    "serialization",
    "compiler",
    "distributed",
    "functional",
    "fx",
    "hub",
    "jit",
    "multiprocessing",
    "onnx",
    "profiler",
    "random",
    "testing",
    "types",
    "__config__",
    # What other packages ask for.
    "einops",
    "mps",
    "xpu",
    # The command.
    "cli",
    "__main__",
)

# Packages that only some users have, and where they may be imported; torch only in tests.
HOMES: dict[str, tuple[str, ...]] = {
    "onnx": (
        "nngraph/backends/onnx/proto",
        "nngraph/backends/onnx/export",
        "nngraph/backends/onnx/describe",
        "nngraph/backends/onnx/opsets",
        "nngraph/backends/onnx/checked",
        "nngraph/backends/onnx/watch",
    ),
    "click": ("nngraph/cli/",),
    "onnxruntime": ("nngraph/backends/onnx/load",),
    "einops": ("nngraph/einops/",),
    "tvm": ("nngraph/backends/tvm/",),
    "tvm_ffi": ("nngraph/backends/tvm/",),
    "torch": (),
    "sklearn": (),
    "tqdm": (),
}

MAX_FILE_LINES = 500
MAX_LINE = 100
MAX_FUNCTION_LINES = 60


@dataclass(frozen=True)
class Import:
    """One imported module: dotted name, line, and whether importing the file imports it."""

    name: str
    line: int
    eager: bool


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


def _called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _named(node: ast.AST) -> list[str]:
    """The modules that one syntax node imports; relative ones keep their dots."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        if module in ("nngraph", "."):
            return [f"{module.rstrip('.')}.{alias.name}" for alias in node.names]
        return [module]
    if isinstance(node, ast.Call) and _called_name(node) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value]
    return []


def _walk(node: ast.AST, eager: bool = True) -> Iterator[Import]:
    for name in _named(node):
        yield Import(name, getattr(node, "lineno", 0), eager)
    inside = eager and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, inside)


def imports(source: str) -> list[Import]:
    """Every import in a source text, those in functions and by `import_module("...")` included."""
    return list(_walk(_tree(source)))


def layer_of(path: str) -> str | None:
    """The layer of `nngraph/LAYER/...` or `nngraph/LAYER.py`; None for `nngraph/__init__.py`."""
    name = path.split("/")[1].removesuffix(".py")
    return None if name == "__init__" else name


def check_layers(path: str, source: str) -> list[str]:
    """Imports of a layer that stands above this file's own, and files that are in no layer."""
    layer = layer_of(path)
    if layer is None:
        return []
    if layer not in LAYERS:
        return [f"{path}: {layer!r} is not a layer; move it into one, or add it to LAYERS and docs"]
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    return list(_layer_findings(path, source, allowed))


def _layer_findings(path: str, source: str, allowed: tuple[str, ...]) -> Iterator[str]:
    for found in imports(source):
        parts = found.name.split(".")
        if parts[0] == "":
            yield f"{path}:{found.line}: relative import of {found.name!r}; name it from nngraph on"
        elif parts[0] == "nngraph":
            target = parts[1] if len(parts) > 1 else "the whole of nngraph"
            if target not in allowed:
                yield f"{path}:{found.line}: {allowed[-1]} may not import {found.name} ({target})"


def module_of(path: str) -> str:
    """`nngraph/ops/core.py` is `nngraph.ops.core`; a folder's `__init__.py` is the folder."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def import_graph(sources: dict[str, str]) -> nx.DiGraph[str]:
    """Which file imports which: in functions, too, and for type checkers only."""
    modules = {module_of(path): source for path, source in sources.items()}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(modules)
    for module, source in modules.items():
        for name in _targets(source):
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                graph.add_edge(module, target)
    return graph


def _targets(source: str) -> Iterator[str]:
    """Modules that a source text imports, or names in modules."""
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _named(node)


def file_circles(graph: nx.DiGraph[str]) -> list[set[str]]:
    """Groups of files of which each reaches all others by imports."""
    return [group for group in nx.strongly_connected_components(graph) if len(group) > 1]


def room_circles(graph: nx.DiGraph[str]) -> list[set[str]]:
    """Groups, at least one a folder, of folders and files side by side that reach each other."""
    found = []
    for folder in {name[: dot.start()] for name in graph for dot in re.finditer(r"\.", name)}:
        depth = folder.count(".") + 2
        rooms = {n: ".".join(n.split(".")[:depth]) for n in graph if n.startswith(f"{folder}.")}
        joined: nx.DiGraph[str] = nx.DiGraph()
        joined.add_edges_from((rooms[a], rooms[b]) for a, b in graph.edges if {a, b} <= {*rooms})
        folders = {room for name, room in rooms.items() if name != room}
        groups = nx.strongly_connected_components(joined)
        found += [group for group in groups if len(group) > 1 and group & folders]
    return found


def unreached(sources: dict[str, str], roots: tuple[str, ...]) -> set[str]:
    """Files that nothing imports on the way from ``roots``; a file imports its folders."""
    graph = import_graph(sources)
    graph.add_edges_from((n, n.rpartition(".")[0]) for n in list(graph) if "." in n)
    for path, source in sources.items():
        if "import_module(" in source:
            graph.add_edges_from((module_of(path), name) for name in _by_name(path, source))
    files = {module_of(path) for path in sources}
    return files - set(roots).union(*(nx.descendants(graph, root) for root in roots))


def _by_name(path: str, source: str) -> Iterator[str]:
    """Modules that strings may name, wholly or beside the file."""
    folder = path.rpartition("/")[0].replace("/", ".")
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (node.value, f"{folder}.{node.value}")


def check_homes(path: str, source: str) -> list[str]:
    """Imports of optional packages outside the files that may have them."""
    return [
        f"{path}:{found.line}: {found.name} may be imported only in {HOMES[package] or 'tests'}"
        for found in imports(source)
        if (package := found.name.split(".")[0]) in HOMES
        and not path.startswith(HOMES[package] or ("tests/",))
    ]


def check_lazy(path: str, source: str, packages: tuple[str, ...]) -> list[str]:
    """Imports of `packages` outside functions, where importing the file would load them."""
    return [
        f"{path}:{found.line}: import {found.name} inside the function that needs it"
        for found in imports(source)
        if found.eager and found.name.split(".")[0] in packages
    ]


def check_size(path: str, source: str) -> list[str]:
    """A file that is too long, and its lines that are."""
    lines = source.splitlines()
    findings = [
        f"{path}:{number}: {len(line)} characters, over {MAX_LINE}"
        for number, line in enumerate(lines, 1)
        if len(line) > MAX_LINE
    ]
    if len(lines) > MAX_FILE_LINES:
        findings.append(f"{path}: {len(lines)} lines, over {MAX_FILE_LINES}")
    return findings


def check_formatting(path: str, source: str) -> list[str]:
    """Places where the formatter is told off, but for a table: an assignment up to `fmt: on`."""
    lines = [*source.splitlines(), ""]
    findings = []
    for number, line in enumerate(lines, 1):
        if re.search(r"#\s*fmt:\s*skip", line):
            findings.append(f"{path}:{number}: `fmt: skip`; the formatter decides the layout")
        if re.search(r"#\s*fmt:\s*off", line) and not re.match(
            r"[\w.]+(: [^=]+)? = [\[({]", lines[number]
        ):
            findings.append(f"{path}:{number}: `fmt: off` may stand only before a table")
    return findings


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}."
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name[:-1], (child.end_lineno or child.lineno) - child.lineno + 1
        yield from _functions(child, name)


def check_functions(path: str, source: str, allowed: dict[str, str]) -> list[str]:
    """Functions that are too long; `allowed` maps `path:Class.function` to the reason it may be."""
    return [
        f"{path}:{name} has {lines} lines, over {MAX_FUNCTION_LINES}"
        for name, lines in _functions(_tree(source))
        if lines > MAX_FUNCTION_LINES and f"{path}:{name}" not in allowed
    ]

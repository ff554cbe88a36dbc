"""CONTRIBUTING counts the places of an operator, a module, an optimizer: the tree has no more."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from nngraph import ops

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("ops", "passes", "backends", "frontend")
TABLES = {
    "nngraph/ops/elementwise/transcendental.py": 1,
    "nngraph/frontend/functional/pointwise.py": 1,
    "nngraph/backends/onnx/rules/elementwise.py": 1,
    "nngraph/backends/tvm/codegen/scalar.py": 1,
}
# Formulas that NumPy or ONNX Runtime lacks: functions, named at their head and in the row.
FORMULAS = ("nngraph/ops/elementwise/special.py", "nngraph/backends/onnx/rules/formulas.py")
# Without those that PyTorch has under two names, and those that TVM's fast_math writes itself.
NAMES = ("sqrt", "rsqrt", "reciprocal", "log2", "sin", "cos", "tan", "sinh", "cosh", "erfc")


# All names of an example, and the files that use one of them.
EXAMPLES = {
    ("CumProd", "cumprod"): {
        "nngraph/ops/reduce/running.py",
        "nngraph/frontend/functional/scan.py",
        "nngraph/backends/tvm/lower/table.py",
        "nngraph/backends/tvm/lower/rows.py",
    },
    ("Softsign", "softsign"): {
        "nngraph/nn/functional/activation.py",
        "nngraph/nn/modules/activation.py",
    },
    ("nngraph.backends.reference.backend", "ReferenceBackend"): {
        "nngraph/backends/registry.py",
        "nngraph/backends/reference/backend.py",
    },
    ("RMSprop",): {"nngraph/optim/rmsprop.py", "nngraph/optim/__init__.py"},
}


def _entries(node: ast.expr) -> Iterator[ast.expr]:
    """What a table at the top of a module lists: keys, elements; through calls and unions too."""
    match node:
        case ast.Dict(keys=keys):
            yield from (k for k in keys if k is not None)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            for element in elements:
                yield element
                yield from _entries(element)
        case ast.Call(args=arguments):
            for argument in arguments:
                yield from _entries(argument)
        case ast.BinOp(left=left, right=right):
            yield from _entries(left)
            yield from _entries(right)
        case ast.Starred(value=value):
            yield from _entries(value)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def rows(tree: ast.Module, name: str) -> int:
    """How often the top of a module defines an operator's name, or lists it or its class."""
    own = ops.REGISTRY[name].__name__
    found = 0
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            entries = _entries(statement.value) if statement.value else ()
            listed = sum(_named(e) in (name, own) for e in entries)
            found += bool(names & {name, own}) + listed
    return found


def _named(node: ast.expr) -> object:
    match node:
        case ast.Attribute(attr=text) | ast.Name(id=text) | ast.Constant(value=text):
            return text
    return None


def _places(name: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for layer in LAYERS:
        for path in (ROOT / "nngraph" / layer).rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            if place not in FORMULAS:
                found[place] = rows(_tree(path), name)
    return +found


@pytest.mark.parametrize("name", NAMES)
def test_a_unary_operator_is_a_row_a_layer(name: str) -> None:
    assert _places(name) == TABLES


@cache
def names_in(path: Path) -> set[object]:
    """What a file defines, reads or lists; what it imports and then uses counts as used.

    The call of a tensor's method does not: code that uses an operator is no place of it.
    """
    found: set[object] = set()
    nodes = list(ast.walk(_tree(path)))
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    methods = {id(f) for f in calls if isinstance(f, ast.Attribute) and _named(f.value) != "ops"}
    for node in nodes:
        match node:
            case ast.Attribute() if id(node) in methods:
                pass
            case ast.FunctionDef(name=text) | ast.ClassDef(name=text):
                found.add(text)
            case ast.Attribute() | ast.Name() | ast.Constant():
                found.add(_named(node))
    return found


@pytest.mark.parametrize("names", EXAMPLES, ids=lambda names: names[0])
def test_the_places_of_an_example(names: tuple[str, ...]) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "nngraph").rglob("*.py")
        if names_in(path) & set(names)
    }
    assert found == EXAMPLES[names]


def test_what_contributing_counts_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = {*TABLES, *FORMULAS, *set().union(*EXAMPLES.values())}
    for place in listed:
        short = place.removeprefix("nngraph/").removeprefix("backends/")
        assert short in text, f"CONTRIBUTING.md does not name {place}"


def test_lists_of_names_are_found() -> None:
    source = """
__all__ = ["Cos", "cos"]
HEAVY = frozenset({"exp", *("sin", "cos")})
EMISSIONS = {ops.Sin: 1} | {ops.Cos: 2}
Cos, cos = unary("cos", np.cos)

def _rule(x):
    return cos(x)
"""
    assert rows(ast.parse(source), "cos") == 5
    assert rows(ast.parse(source), "exp") == 1

"""The signatures of PyTorch's functions and methods, from the type stubs that it ships.

Its builtins can't be inspected; ``torch/_C/*.pyi`` and ``torch/nn/functional.pyi`` hold what its
argument parser takes, generated from the same source. What is Python in PyTorch is inspected.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(torch.__file__).parent

#: Stands for the default of a parameter that has none, and for one that is no literal.
NONE, UNKNOWN = object(), object()

#: What nngraph has not: names of dimensions.
ABSENT = {"names", "out_dtype"}


@dataclass(frozen=True)
class Parameter:
    """One parameter: keyword-only or not, ``*args`` or not, its default."""

    name: str
    keyword_only: bool = False
    variadic: bool = False
    default: Any = NONE
    annotation: str = ""

    @property
    def required(self) -> bool:
        return self.default is NONE and not self.variadic


Signature = tuple[Parameter, ...]


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return NONE
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def _of_node(node: ast.FunctionDef) -> Signature:
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    filled = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    found = [
        Parameter(a.arg, default=_default(d), annotation=ast.unparse(a.annotation or ast.Name("")))
        for a, d in zip(plain, filled, strict=True)
    ]
    if arguments.vararg is not None:
        found.append(Parameter(arguments.vararg.arg, variadic=True))
    found += [
        Parameter(a.arg, True, False, _default(d), ast.unparse(a.annotation or ast.Name("")))
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return tuple(found)


def of_callable(function: Any) -> Signature:
    """The signature of a Python function."""
    return tuple(
        Parameter(
            p.name,
            p.kind is p.KEYWORD_ONLY,
            p.kind is p.VAR_POSITIONAL,
            NONE if p.default is p.empty else p.default,
            str(p.annotation),
        )
        for p in inspect.signature(function).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    )


def _functions(body: list[ast.stmt]) -> Iterator[tuple[str, Signature]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            signature = _of_node(node)
            dimnames = any("str" in p.annotation and p.name == "dim" for p in signature)
            if not dimnames and not any(p.name == "names" for p in signature):
                yield node.name, signature


def _table(body: list[ast.stmt]) -> dict[str, list[Signature]]:
    table: dict[str, list[Signature]] = {}
    for name, signature in _functions(body):
        table.setdefault(name, []).append(signature)
    return table


def _parsed(path: str) -> ast.Module:
    return ast.parse((FOLDER / path).read_text(encoding="utf-8"))


@cache
def functions() -> dict[str, list[Signature]]:
    """The overloads of ``torch.f`` by name."""
    table = _table(_parsed("_C/_VariableFunctions.pyi").body)
    for name in vars(torch.functional):
        value = getattr(torch.functional, name)
        if inspect.isfunction(value) and getattr(torch, name, None) is value:
            table[name] = [of_callable(value)]
    return table


@cache
def methods() -> dict[str, list[Signature]]:
    """The overloads of ``Tensor.f`` by name, without ``self``."""
    tree = _parsed("_C/__init__.pyi")
    core = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TensorBase")
    table = {n: [s[1:] for s in found] for n, found in _table(core.body).items()}
    for name, value in vars(torch.Tensor).items():
        if inspect.isfunction(value) and not name.startswith("__"):
            table[name] = [of_callable(value)[1:]]
    return table


@cache
def neural() -> dict[str, list[Signature]]:
    """The overloads of ``torch.nn.functional.f`` by name."""
    table = _table(_parsed("nn/functional.pyi").body)
    builtin = {**functions(), **_table(_parsed("_C/_nn.pyi").body)}
    for name, value in vars(torch.nn.functional).items():
        if inspect.isfunction(value):
            signature = of_callable(value)
            if not any(p.variadic for p in signature):  # else a dispatcher: its stub says more
                table[name] = [signature]
        elif inspect.isbuiltin(value) and value.__name__ in builtin:
            table[name] = builtin[value.__name__]
    return table

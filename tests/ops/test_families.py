"""The registry holds every operator, and ``nngraph.ops`` nothing but operators and functions."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import numpy as np
import pytest

from nngraph import ops
from nngraph.ir.op import Cost, Op, Trait

MODULES = [
    importlib.import_module(m.name) for m in pkgutil.walk_packages(ops.__path__, "nngraph.ops.")
]
FAMILIES = [m for m in MODULES if hasattr(m, "OPERATORS")]


def test_the_registry_holds_every_operator() -> None:
    defined = {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Op) and value.name
    }
    assert set(ops.REGISTRY.values()) == defined
    assert all(ops.REGISTRY[op.name] is op for op in defined)


def test_each_operator_has_one_family() -> None:
    listed = [op for family in FAMILIES for op in family.OPERATORS]
    assert sorted(op.name for op in listed) == sorted(ops.REGISTRY)
    for family in FAMILIES:
        assert all(op.__module__.startswith(family.__name__) for op in family.OPERATORS)


def test_every_operator_and_its_function_are_public() -> None:
    for op in ops.REGISTRY.values():
        assert getattr(ops, op.__name__) is op
        made_by_a_row = issubclass(op, ops.Unary | ops.Binary)
        assert not made_by_a_row or getattr(ops, op.name).__name__ == op.name


def test_nothing_else_is() -> None:
    for name, value in vars(ops).items():
        if (
            name.startswith("_")
            or isinstance(value, ModuleType)
            or name in ("REGISTRY", "annotations")
        ):
            continue
        assert value.__module__.startswith("nngraph.ops."), f"ops.{name} is from elsewhere"


def test_functions_are_heavy_and_integer_divisions_named() -> None:
    cheap = {"neg", "abs", "add", "mul", "maximum", "relu", "where", "cast", "eq"}
    heavy = {"exp", "log", "tanh", "erf", "erfc", "pow", "atan2", "sigmoid", "fmod", "remainder"}
    assert {n for n in cheap | heavy if ops.REGISTRY[n].cost is Cost.HEAVY} == heavy
    slow = {n for n, op in ops.REGISTRY.items() if op.cost is Cost.SLOW}
    assert slow == {"div", "sqrt", "rsqrt", "reciprocal"}
    dividing = {n for n, op in ops.REGISTRY.items() if Trait.DIVIDES in op.traits}
    assert dividing == {"floor_divide", "trunc_divide", "remainder", "fmod"}


@pytest.mark.parametrize("op", [op for op in ops.REGISTRY.values() if Trait.DIVIDES in op.traits])
def test_what_divides_refuses_a_zero_among_integers(op: type[Op]) -> None:
    with pytest.raises(ZeroDivisionError):
        op().eval(np.asarray([1, 2]), np.asarray([1, 0]))

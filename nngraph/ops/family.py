"""What a family of operators exports follows from what is defined in it."""

from __future__ import annotations

from collections.abc import Mapping

from nngraph.ir.op import Op

__all__ = ["operators_of", "public_names"]


def operators_of(family: Mapping[str, object]) -> tuple[type[Op], ...]:
    """The operators of a family, given its ``globals()``: classes made in it that have a name.

    What families share as a base has none.
    """
    home = str(family["__name__"])
    return tuple(
        value
        for value in family.values()
        if isinstance(value, type) and issubclass(value, Op)
        if value.name and f"{value.__module__}.".startswith(f"{home}.")
    )


def public_names(module: Mapping[str, object]) -> list[str]:
    """``__all__`` of a module of rows or of a family, given its ``globals()``: what is made in it.

    So a row is all that an operator needs; type checkers read the rows themselves.
    """
    home = str(module["__name__"])
    return [
        name
        for name, value in module.items()
        if not name.startswith("_")
        and f"{getattr(value, '__module__', '')}.".startswith(f"{home}.")
    ]

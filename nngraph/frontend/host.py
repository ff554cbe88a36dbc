"""Numbers that live in Python between calls: learning rates, betas, weight decay."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.world import world

__all__ = ["guarded", "host_number"]


def host_number(table: dict[str, Any], key: str, name: str = "", index: int | None = None) -> Any:
    """``table[key]`` (or ``table[key][index]``) as code computes with it.

    Eagerly the Python number; while tracing a float64 scalar that every call of the compiled
    function reads from the table anew, so that changing it needs no new trace.
    """

    def read() -> float:
        value = table[key] if index is None else table[key][index]
        return float(value)

    spot = (id(table), key, index)
    return world().number(spot, name or (key if index is None else f"{key}_{index}"), read)


def guarded(table: dict[str, Any], key: str, test: Any = None) -> Any:
    """``test(table[key])`` (default: the value itself) as a fact that shapes the code.

    While tracing it becomes a guard: a change traces the function again.
    """

    def fact() -> Any:
        value = table[key]
        return value if test is None else test(value)

    known = fact()
    spot = ("option", id(table), key)
    reason = f"optimizer option {key!r} changed"
    world().guard(spot, lambda: fact() == known, reason, what=f"optimizer option {key!r}")
    return known

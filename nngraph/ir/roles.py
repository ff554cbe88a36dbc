"""What the outputs of a graph are for."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Label", "Role"]


class Role(enum.Enum):
    """What a caller does with an output."""

    RESULT = "result"  # returns it
    ARGUMENT = "argument"  # writes it into the argument that the code changed in place
    GRADIENT = "gradient"  # sets the ``grad`` of a tensor that is no argument
    PLACE = "place"  # puts it into an attribute, list or dict, from which a later call may read it
    KEPT = "kept"  # keeps it for the backward pass, which another graph is
    ARGUMENT_GRADIENT = "argument_gradient"  # adds it to the ``grad`` of an argument


@dataclass(frozen=True, slots=True)
class Label:
    """An output's name, its role, and the name of what it belongs to: argument, tensor, place."""

    name: str = ""
    role: Role = Role.RESULT
    of: str = ""

"""Where a node comes from: the user's module and line, and the transforms it went through."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["NOWHERE", "PHASES", "Origin"]

#: What the operators of a training step are for.
PHASES = ("forward", "backward", "update")
_OF_TRANSFORM = {"grad": "backward", "update": "update"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Printed as ``head.fc @ train.py:14 · grad``.

    Attributes:
        module: path of the module whose forward made the node, as in ``head.fc``; may be empty.
        file: the user's file (its name without folders is printed).
        line: the user's line, 0 if unknown.
        transforms: what the node went through, as in ``("grad", "decompose")``.
    """

    module: str = ""
    file: str = ""
    line: int = 0
    transforms: tuple[str, ...] = ()

    def through(self, transform: str) -> Origin:
        """The same place after one more transform (each is named once)."""
        if not transform or transform in self.transforms:
            return self
        return replace(self, transforms=(*self.transforms, transform))

    @property
    def phase(self) -> str:
        """Which of ``PHASES`` the node belongs to."""
        found = (_OF_TRANSFORM[t] for t in self.transforms if t in _OF_TRANSFORM)
        return next(found, "forward")

    def __str__(self) -> str:
        place = f"{self.file.rsplit('/', 1)[-1]}:{self.line}" if self.file else ""
        where = f"{self.module} @ {place}" if place else self.module
        return " · ".join((where, *self.transforms)).strip()

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Reads back what ``str`` printed.

        Raises:
            ValueError: if the text is no origin.
        """
        where, *transforms = (part.strip() for part in f" {text}".split(" ·"))
        module, at, place = f" {where}".rpartition(" @ ")
        if not at:
            return cls(where, transforms=tuple(transforms))
        file, colon, line = place.rpartition(":")
        if not colon or not line.isdigit():
            raise ValueError(f"not an origin: {text!r}; write `module @ file.py:12 · transform`")
        return cls(module.strip(), file, int(line), tuple(transforms))


NOWHERE = Origin()

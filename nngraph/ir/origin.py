"""Where a node comes from: the user's module and line, and the transforms it went through."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["NOWHERE", "Origin"]


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

    def __str__(self) -> str:
        place = f"{self.file.rsplit('/', 1)[-1]}:{self.line}" if self.file else ""
        where = " @ ".join(p for p in (self.module, place) if p)
        return " · ".join(p for p in (where, *self.transforms) if p)

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Reads back what ``str`` printed."""
        where, *transforms = text.split(" · ")
        module, _, place = where.rpartition(" @ ")
        file, colon, line = place.rpartition(":")
        if not colon or not line.isdigit():
            if "@" in text or ":" in where:
                raise ValueError(f"not an origin: {text!r}")
            # No place: the first part is a module path unless there is none at all.
            return cls(module=where, transforms=tuple(transforms))
        return cls(module, file, int(line), tuple(transforms))


NOWHERE = Origin()

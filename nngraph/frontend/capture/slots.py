"""Where the state behind a stand-in lives between calls: in whatever tensor a place holds."""

from __future__ import annotations

from collections.abc import Hashable

from nngraph.frontend.capture.gradients import GradSlot
from nngraph.frontend.capture.program import Spot
from nngraph.frontend.storage import Storage

__all__ = ["SpotSlot"]


class SpotSlot(GradSlot):
    """The storage of the tensor that is at a spot at the time."""

    __slots__ = ("_spot",)

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._written = None

    @property
    def _storage(self) -> Storage:
        storage: Storage = self._spot.read()._storage
        return storage

    @property
    def key(self) -> Hashable:
        """The place, for locks."""
        return self._spot.place.ident

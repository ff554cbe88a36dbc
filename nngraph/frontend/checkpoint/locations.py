"""``map_location``: everything that is loaded is on the CPU, and what asks for more is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nngraph.frontend.devices import CPU, need_cpu

__all__ = ["Locations"]


class _Place:
    """What a callable ``map_location`` gets: memory that is on the CPU.

    Attributes:
        device: where it is.
    """

    device = CPU

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes

    def nbytes(self) -> int:
        """Its size."""
        return self._nbytes

    def cpu(self) -> _Place:
        """Itself."""
        return self

    def cuda(self, device: object = None, non_blocking: bool = False) -> _Place:
        """Refused."""
        del non_blocking
        need_cpu(f"cuda:{device}" if isinstance(device, int) else device or "cuda")
        return self


class Locations:
    """What the user said of where storages go.

    Args:
        wanted: None, a device, a dict from devices in the file to devices here, or a function of
            a storage and its device in the file.

    Raises:
        TypeError: for anything else.
        AssertionError, RuntimeError: for a device that has no tensors here.
    """

    def __init__(self, wanted: Any) -> None:
        self._met: list[tuple[str, int]] = []
        self._asked: Callable[[Any, str], Any] | None = None
        if isinstance(wanted, Mapping):
            for place in wanted.values():
                need_cpu(place)
        elif callable(wanted):
            self._asked = wanted
        elif wanted is None or isinstance(wanted, str | int) or hasattr(wanted, "type"):
            need_cpu(wanted)
        else:
            raise TypeError(
                f"ng.load: map_location is {wanted!r:.60}; write None, 'cpu', a dict like "
                "{'cuda:0': 'cpu'} or a function of a storage and its device"
            )

    def meet(self, location: str, nbytes: int) -> None:
        """Notes a storage that was at ``location``."""
        if self._asked is not None:
            self._met.append((location, nbytes))

    def ask(self) -> None:
        """Asks the user's function where the storages go that were met.

        Raises:
            TypeError: if it gives something else than a storage.
        """
        for location, nbytes in self._met:
            assert self._asked is not None, "noted for it"
            found = self._asked(_Place(nbytes), location)
            if found is not None and not isinstance(found, _Place):
                raise TypeError(f"ng.load: map_location gave {found!r:.60}, not the storage")

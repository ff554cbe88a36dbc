"""What a call leaves otherwise than the trace found it: its next call would be another trace.

A compiled function traces again then. A file runs one trace for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ref

from nngraph.frontend.capture.recorder import Trace
from nngraph.frontend.record import Handle

__all__ = ["Once", "found_once"]


@dataclass(frozen=True)
class Once:
    """One thing that only the first of many equal calls finds.

    Attributes:
        text: what, for users.
        owner: the tensor that it is about, if it is; one that is gone has no next call.
        grows: whether it is a gradient that was None, and all that the code did with that was to
            add to it: from a gradient of zeros it does the same.
    """

    text: str
    owner: ref[Handle] | None = None
    grows: bool = False

    @property
    def lasts(self) -> bool:
        """Whether a next call would meet it."""
        return self.owner is None or self.owner() is not None


def found_once(trace: Trace, own: set[int]) -> list[Once]:
    """What the next call does not find as this trace did.

    Args:
        trace: that is complete.
        own: ids of the tensors that stand for arguments, which each call gets anew.
    """
    firsts = [Once(f"{what}, in the first call only") for what in trace.first.only]
    return [*_gradients(trace, own), *_flags(trace), *_modes(trace), *firsts]


def _gradients(trace: Trace, own: set[int]) -> list[Once]:
    made: list[Once] = []
    for note in trace.grads.values():
        tensor = note.tensor
        is_kept = note.was_read and tensor._storage.elements.value is None
        if not is_kept or id(tensor) in own or (note.found is None) is (note.now is None):
            continue
        name = f"the gradient of {_name(trace, tensor)}"
        if note.found is None:
            text = f"{name} is None before the first call, and there after it"
        else:
            text = f"{name} is there before the first call, and None after it"
        grows = note.found is None and not note.was_used
        made.append(Once(text, ref(tensor), grows))
    return made


def _flags(trace: Trace) -> list[Once]:
    changed = [(t, now) for t, now in trace.leaves_set() if (t._edge is not None) is not now]
    return [
        Once(
            f"requires_grad of {_name(trace, t)} is {not now} before the first call, {now} after",
            ref(t),
        )
        for t, now in changed
    ]


def _modes(trace: Trace) -> list[Once]:
    changed: list[Any] = [m for m in trace.modes.values() if m.found not in (None, m.now)]
    return [
        Once(
            f"module {trace.path_of(m.module)!r} is in the mode of {_word(m.found)} before the "
            f"first call, and of {_word(m.now)} after it"
        )
        for m in changed
    ]


def _word(mode: bool) -> str:
    return "train()" if mode else "eval()"


def _name(trace: Trace, tensor: Handle) -> str:
    return repr(trace.state_name(tensor._storage) or trace.suggested(tensor._storage))

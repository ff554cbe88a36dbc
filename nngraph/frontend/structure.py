"""When the structure of modules, optimizers and tensors last changed.

A compiled function relies on hundreds of facts: which tensors a module holds, its mode, which
tensors require gradients, what an optimizer keeps for each parameter. Looking at them all at each
call would cost more than a small step. Objects that say when they change give a ``stamp`` instead:
as long as it is the same object as at the last look, none of them changed.
"""

from __future__ import annotations

__all__ = ["Structure", "structure"]


class Structure:
    """The stamp of the process.

    Attributes:
        stamp: an object that is replaced after each change. (A new object, and no counter: what two
            threads change at once can't leave it as it was.)
    """

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = object()

    def changed(self) -> None:
        """To be called after a change of what a trace may rely on."""
        self.stamp = object()


structure = Structure()

"""Generators of random numbers: a state that draws use and advance.

A state is uint32[3] = (key, key, number of draws). It is a tensor, so that a compiled function that
draws carries it from call to call, and the same draws come eagerly and compiled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from nngraph.frontend.devices import need_cpu
from nngraph.frontend.errors import Need
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import uint32
from nngraph.ops.random import advance

__all__ = [
    "DEFAULT_SEED",
    "Generator",
    "default_generator",
    "first_draw",
    "next_key",
    "seed_number",
]

#: The seed of a new generator (PyTorch's).
DEFAULT_SEED = 67280421310721
_WORD = 0xFFFFFFFF


def seed_number(seed: int) -> int:
    """A seed as an unsigned number of 64 bits; negative ones wrap.

    Raises:
        ValueError: beyond 64 bits.
    """
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"Overflow when unpacking long long: the seed {seed} is beyond 64 bits")
    return seed % 2**64


class Generator:
    """A sequence of random numbers of its own, for ``generator=``.

    Draws that are given it use and advance its state, in compiled functions too: there the state is
    carried from call to call, whether the function finds the generator or is given it.

    Args:
        device: the CPU's; what a compiled function draws is drawn where it runs.

    Raises:
        AssertionError, RuntimeError: for another device.
    """

    __slots__ = ("__weakref__", "_name", "_state")

    def __init__(self, device: object = "cpu") -> None:
        need_cpu(device)
        self._hold(Tensor(world().constant(_words(DEFAULT_SEED))))

    def _hold(self, state: Tensor) -> None:
        self._state, self._name = state, "generator"
        if isinstance(state, Tensor):  # and not its name, in the description of a call
            state._storage.inference = False  # it goes on also after the mode that it was made in

    @property
    def device(self) -> Any:
        """Where it is: the CPU."""
        return self._state.device

    def manual_seed(self, seed: int) -> Self:
        """Starts the sequence that belongs to ``seed``, an integer of 64 bits.

        Raises:
            RuntimeError: for what is no integer.
            ValueError: beyond 64 bits.
        """
        if not isinstance(seed, int | np.integer):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        self._state._write(Tensor(world().constant(_words(seed_number(int(seed))))))
        return self

    def seed(self) -> int:
        """Starts a sequence of the operating system's choice; returns its seed.

        Raises:
            TraceError: in a compiled function, where it would be chosen once.
        """
        world().refuse("seed()", "call it outside, or manual_seed(number) here")
        chosen = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(chosen)
        return chosen

    def initial_seed(self) -> int:
        """The seed in force."""
        low, high, _ = (int(v) for v in self._state._array(Need("initial_seed()")))
        return high << 32 | low

    def get_state(self) -> Tensor:
        """A copy of the state: uint32[3] of key, key, number of draws."""
        return Tensor(world().copied(self._state._read(world())))

    def set_state(self, new_state: Tensor) -> Self:
        """Goes on from a state that ``get_state`` gave.

        Raises:
            TypeError: for what is no tensor of uint32.
            RuntimeError: for one of another shape.
        """
        if not isinstance(new_state, Tensor) or new_state.dtype is not uint32:
            got = new_state.aval if isinstance(new_state, Tensor) else type(new_state).__name__
            raise TypeError(f"RNG state must be a tensor u32[3] that get_state() gave, got {got}")
        if new_state.aval.shape != (3,):
            raise RuntimeError(f"RNG state must be u32[3], got {new_state.aval}")
        self._state._write(new_state)
        return self

    def clone_state(self) -> Generator:
        """Another generator that goes on from here."""
        return _made(self.get_state())

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.get_state(),)

    # A compiled function takes a generator as an argument, as it takes a list: by its parts.
    def _parts(self) -> tuple[Tensor]:
        return (self._state,)

    @staticmethod
    def _of_parts(state: Tensor) -> Generator:
        made = Generator.__new__(Generator)
        made._hold(state)
        return made


_made = Generator._of_parts


def _words(seed: int) -> Any:
    return np.array([seed & _WORD, seed >> 32, 0], np.uint32)


_noted: ContextVar[list[Tensor] | None] = ContextVar("nngraph_draws", default=None)
default_generator = Generator().manual_seed(0)
default_generator._name = "rng"


def next_key(generator: Generator | None = None) -> Tensor:
    """The state for one draw of the generator (the default one if None), which advances.

    Raises:
        TypeError: for what is no generator.
    """
    if generator is None:
        generator = default_generator
    elif not isinstance(generator, Generator):
        raise TypeError(f"generator must be an ng.Generator, not {type(generator).__name__}")
    here, state = world(), generator._state
    here.name(state._storage, generator._name)
    used = Tensor(here.copied(state._read(here)))
    state._write(advance(used))
    noted = _noted.get()
    if noted is not None and generator is default_generator:
        noted.append(used)
    return used


@contextmanager
def first_draw() -> Iterator[list[Tensor]]:
    """Notes the states of draws of the default generator, the first first."""
    noted: list[Tensor] = []
    outer = _noted.get()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
        if outer is not None:
            outer += noted[:1]

"""One way to compute what a frozen spec says, on machines of one device; and the choice of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from nngraph.backends.tvm.machine import Device, Machine

if TYPE_CHECKING:
    from nngraph.backends.tvm.loops.base import Loops, PrimFunc

__all__ = ["Candidate", "NoStrategy", "Strategy", "candidates", "cheapest", "show", "strategy"]

Spec = TypeVar("Spec")
Row = TypeVar("Row", bound="type[Strategy[Any]]")


class Strategy(Generic[Spec]):
    """A row of the table. It holds no state: everything follows from the spec and the machine.

    Costs are estimates of one thread's seconds and only have to rank the rows of one spec; the
    numbers in them come from measurements that the rows name.
    """

    computes: ClassVar[tuple[type, ...]]
    device: ClassVar[Device]

    def fits(self, spec: Spec, machine: Machine) -> str | None:
        """Why this way is closed to the spec; None if it is open."""
        return None

    def cost(self, spec: Spec, machine: Machine) -> float:
        """Seconds."""
        raise NotImplementedError

    def tile(self, spec: Spec, machine: Machine) -> object:
        """How much is done at a time: a frozen value that prints as its fields."""
        raise NotImplementedError

    def build(self, spec: Spec, machine: Machine, loops: Loops, epilogue: Any = None) -> PrimFunc:
        """The kernel."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__


def strategy(*computes: type, device: Device) -> Callable[[Row], Row]:
    """Says which kinds of specs a strategy computes, and on what."""

    def mark(row: Row) -> Row:
        row.computes, row.device = computes, device
        return row

    return mark


class NoStrategy(LookupError):
    """No row fits a spec on a machine; the text holds each row's reason."""


@dataclass(frozen=True)
class Candidate:
    """What a row says to a spec: the reason why it does not fit, or its cost in seconds."""

    strategy: Strategy[Any]
    reason: str | None
    cost: float | None


def candidates(
    rows: Sequence[Strategy[Any]], spec: object, machine: Machine
) -> Iterator[Candidate]:
    """What every row for this kind of spec and device says, in the order of the rows."""
    for row in rows:
        if type(spec) in row.computes and row.device is machine.device:
            reason = row.fits(spec, machine)
            yield Candidate(row, reason, None if reason else row.cost(spec, machine))


def cheapest(rows: Sequence[Strategy[Any]], spec: object, machine: Machine) -> Strategy[Any]:
    """The cheapest row that fits; of equally cheap ones the first.

    Raises:
        NoStrategy: if none does.
    """
    best: tuple[float, Strategy[Any]] | None = None
    for candidate in candidates(rows, spec, machine):
        if candidate.cost is not None and (best is None or candidate.cost < best[0]):
            best = candidate.cost, candidate.strategy
    if best is None:
        raise NoStrategy(show(rows, spec, machine))
    return best[1]


def show(rows: Sequence[Strategy[Any]], spec: object, machine: Machine) -> str:
    """A choice as text: each row's cost and tile, or the reason why it is out; an arrow marks the
    one that is taken.
    """
    found = list(candidates(rows, spec, machine))
    costs = [c.cost for c in found if c.cost is not None]
    best = min(costs, default=None)
    lines = [f"{spec} on {machine.cpu}"]
    for candidate in found:
        name = candidate.strategy.name
        if candidate.cost is None:
            lines.append(f"    {name}: no, {candidate.reason}")
            continue
        mark = "--> " if candidate.cost == best else "    "
        best = None if candidate.cost == best else best
        tile = candidate.strategy.tile(spec, machine)
        lines.append(f"{mark}{name}: {candidate.cost * 1e6:.3g} us, {tile}")
    return "\n".join(lines if found else [*lines, "    no strategy computes this"])

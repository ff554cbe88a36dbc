"""Which format a file has, and what is in it."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from nngraph.frontend.checkpoint.kinds import KINDS
from nngraph.frontend.checkpoint.locations import Locations
from nngraph.frontend.checkpoint.nest import FACTORIES, NAMED
from nngraph.frontend.checkpoint.plain import DECODED
from nngraph.frontend.checkpoint.rebuild import Rebuilder
from nngraph.frontend.checkpoint.save import NEST
from nngraph.frontend.functional.data import from_array
from nngraph.frontend.functional.windows import as_strided
from nngraph.frontend.tensor import Tensor
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError, unpacked
from nngraph.runtime.torchfile.archive import read_archive
from nngraph.runtime.torchfile.checks import need_key
from nngraph.runtime.torchfile.legacy import read_legacy
from nngraph.runtime.torchfile.source import Source
from nngraph.runtime.torchfile.values import Budget

__all__ = ["read_any"]


def read_any(source: Source, locations: Locations) -> Any:
    """The value in a file of any format that is known.

    Raises:
        CheckpointError: naming the file.
    """
    try:
        value = _read(source, bytes(source.read(0, 512)), locations)
    except CheckpointError as error:
        raise CheckpointError(f"{source.name}: {error}") from None
    locations.ask()
    return value


def _read(source: Source, head: bytes, locations: Locations) -> Any:
    if not source.size:
        raise CheckpointError("it is empty, not a whole safetensors file; it may be cut short")
    if head[:4] == b"PK\3\4":
        return read_archive(source, Rebuilder(locations))
    if head[8:9] == b"{":
        return _read_named(source)
    if head[257:262] == b"ustar":
        raise CheckpointError(
            "it is a tar file, as PyTorch wrote before 0.2; load it with an old PyTorch and save "
            "it again"
        )
    if head[:1] == b"\x80":
        return read_legacy(source, Rebuilder(locations))
    raise CheckpointError(
        "it is not a whole safetensors file, and no file of torch.save's; it may be cut short or "
        "of another format. Write checkpoints with ng.save."
    )


def _read_named(source: Source) -> Any:
    arrays, metadata, size = unpacked(source.read, source.size, source.is_mapped)
    if NEST not in metadata:
        source.leave(size)
        return {name: from_array(array) for name, array in arrays.items()}
    try:
        value = _Reader(arrays, Budget(source.size)).decoded(json.loads(metadata[NEST]))
    except (ArithmeticError, LookupError, RecursionError, RuntimeError, TypeError) as error:
        raise _other(error) from None
    except ValueError as error:
        raise _other(error) from None
    source.leave(size)
    return value


def _other(error: Exception) -> CheckpointError:
    return CheckpointError(
        f"it does not say what its tensors are of ({error!r:.200}); it was not written by "
        "ng.save, or was changed"
    )


class _Reader:
    """Makes a nest of what was written down of it.

    Args:
        arrays: the tensors' memory.
        budget: what views may repeat.
    """

    def __init__(self, arrays: Mapping[str, Array], budget: Budget) -> None:
        self._arrays, self._budget = arrays, budget
        self._bases: dict[str, Tensor] = {}
        self._made: dict[str, Tensor] = {}
        self._rows: dict[str, Callable[..., Any]] = {
            "list": self._list,
            "tuple": lambda c: tuple(self._list(c)),
            "set": lambda c: set(map(need_key, self._list(c))),
            "frozenset": lambda c: frozenset(map(need_key, self._list(c))),
            "dict": lambda c: dict(self._pairs(c)),
            "ordered": self._ordered,
            "counter": lambda c: Counter(dict(self._pairs(c))),
            "defaultdict": lambda c, f: defaultdict(FACTORIES[f], self._pairs(c)),
            "namespace": lambda c: argparse.Namespace(**dict(self._pairs(c))),
            "named": lambda n, c: NAMED[n](*self._list(c)),
            "array": lambda n: self._arrays[n],
        }
        self._tensors: dict[str, Callable[..., Tensor]] = {
            "tensor": self._whole,
            "view": self._view,
            "grad": lambda node: self._tensor(node).requires_grad_(),
        }

    def decoded(self, value: Any) -> Any:
        """What a node stands for."""
        if not isinstance(value, list):
            if isinstance(value, dict):
                raise ValueError("a value is a JSON object")
            return value
        kind, *content = value
        if kind in DECODED:
            (only,) = content
            return DECODED[kind](only)
        if kind in self._rows:
            return self._rows[kind](*content)
        key = json.dumps(value)
        if key not in self._made:
            self._made[key] = self._tensor(value)
        return self._made[key]

    def _list(self, content: Any) -> list[Any]:
        return [self.decoded(part) for part in content]

    def _pairs(self, content: Any) -> list[tuple[Any, Any]]:
        return [(need_key(self.decoded(key)), self.decoded(part)) for key, part in content]

    def _ordered(self, content: Any, metadata: Any = None) -> OrderedDict[Any, Any]:
        made = OrderedDict(self._pairs(content))
        if metadata is not None:
            vars(made)["_metadata"] = self.decoded(metadata)
        return made

    # -- tensors ---------------------------------------------------------------------------------

    def _tensor(self, node: Any) -> Tensor:
        kind, *content = node
        if kind in KINDS:
            flag, inner = content
            return KINDS[kind][1](self._tensor(inner), bool(flag))
        return self._tensors[kind](*content)

    def _base(self, name: str) -> Tensor:
        if name not in self._bases:
            self._bases[name] = from_array(self._arrays[name])
        return self._bases[name]

    def _whole(self, name: str, count: int = 0) -> Tensor:
        del count
        return self._base(name).detach()

    def _view(self, name: str, offset: int, size: Any, stride: Any, count: int) -> Tensor:
        del count
        base, numel = self._base(name).detach(), math.prod(size)
        if numel > base.aval.size:
            self._budget.take(numel * base.dtype.itemsize)
        return as_strided(base, size, stride, offset)

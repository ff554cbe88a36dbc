"""Casts the operands of listed functions: the one place where autocast acts.

A listed function is wrapped where it is defined, so that each of its forms casts. What it calls in
turn is not cast again, as in PyTorch. Its gradient rules are made of operators, which no list has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from nngraph.frontend.base import TensorBase
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.precision.state import State, current, kept, switched
from nngraph.frontend.precision.tables import OPAQUE, TABLES, Policy
from nngraph.frontend.record import Leaf
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType, float32, float64
from nngraph.ops.elementwise import select

__all__ = ["HERE", "autocasts", "cast_as", "listed", "uncast"]

F = TypeVar("F", bound=Callable[..., Any])

#: The kind of device that tensors are on.
HERE = "cpu"

#: What the lists put before the names of functions of a module.
_PREFIXES = {"fft": "fft_", "linalg": "linalg_"}

#: What each wrapped function was.
_LISTED: dict[Callable[..., Any], Callable[..., Any]] = {}


def autocasts(plain: F) -> F:
    """Casts operands while autocast is on, if PyTorch lists the function by its name."""
    name = f"{_PREFIXES.get(plain.__module__.split('.')[1], '')}{plain.__name__}"
    return listed(name, plain) if name in OPAQUE or _is_listed(name) else plain


def _is_listed(name: str) -> bool:
    return any(name in table for table in TABLES.values())


def listed(name: str, plain: F) -> F:
    """``plain``, cast as what PyTorch lists under ``name``."""

    @wraps(plain)
    def call(*args: Any, **given: Any) -> Any:
        state = current()
        if HERE not in state.enabled or not (name in TABLES[HERE] or name in OPAQUE):
            return plain(*args, **given)
        args, given = _operands(name, state, args, given)
        return _without(state, plain, args, given)

    _LISTED[call] = plain
    return cast("F", call)


def uncast(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function as it is for ``out=`` and in place, which autocast leaves as they are."""
    bare = _LISTED.get(plain)
    if bare is None:
        return plain

    @wraps(bare)
    def call(*args: Any, **given: Any) -> Any:
        state = current()
        if HERE not in state.enabled:
            return bare(*args, **given)
        return _without(state, bare, args, given)

    return call


def _without(state: State, plain: Callable[..., Any], args: Any, given: Any) -> Any:
    switched(state.having(HERE, False))
    try:
        return plain(*args, **given)
    finally:
        switched(state)


def cast_as(name: str, *operands: Any) -> tuple[Any, ...]:
    """Tensors, None and lists of these as the function that is listed under ``name`` takes them."""
    state = current()
    return _operands(name, state, operands, {})[0] if HERE in state.enabled else operands


def _operands(name: str, state: State, args: Any, given: Any) -> tuple[Any, dict[str, Any]]:
    """The arguments of a call as the list of ``name`` has them.

    Raises:
        RuntimeError: for a function that is unsafe to cast, and for several half precisions.
    """
    policy = TABLES[HERE].get(name)
    if policy is None or (policy is Policy.FLOAT32_RESULT and given.get("dtype") is not None):
        return args, given
    if policy is Policy.REFUSED:
        raise RuntimeError(_UNSAFE)
    dtype = float32
    if policy is Policy.LOWER:
        dtype = state.dtype(HERE)
    elif policy is Policy.WIDEST:
        dtype = _widest(name, state.dtype(HERE), _tensors((*args, *given.values())))
    values = _cast_all(given.values(), dtype, state)
    return tuple(_cast_all(args, dtype, state)), dict(zip(given, values, strict=True))


def _tensors(values: Sequence[Any]) -> list[TensorBase]:
    found: list[TensorBase] = []
    for value in values:
        if isinstance(value, TensorBase):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


def _widest(name: str, lower: DType, tensors: Sequence[TensorBase]) -> DType:
    kinds = {t.dtype for t in tensors if _is_cast(t)}
    if float32 in kinds:
        return float32
    if kinds - {lower}:
        raise RuntimeError(
            f"{name}: autocast computes in {lower.name} or float32, and got operands of "
            f"{', '.join(sorted(kind.name for kind in kinds))}; convert them with .float()"
        )
    return lower


def _is_cast(tensor: TensorBase) -> bool:
    return tensor.dtype.is_floating_point and tensor.dtype is not float64


def _cast_all(values: Any, dtype: DType, state: State) -> list[Any]:
    return [_cast(value, dtype, state) for value in values]


def _cast(value: Any, dtype: DType, state: State) -> Any:
    if isinstance(value, TensorBase):
        if value.dtype is dtype or not _is_cast(value):
            return value
        return _cast_once(value, dtype) if state.caches else select.cast(value, dtype)
    if isinstance(value, list | tuple) and _tensors(value):
        return type(value)(_cast_all(value, dtype, state))
    return value


def _cast_once(tensor: TensorBase, dtype: DType) -> Any:
    """A cast, for a float32 leaf that requires grad the one that the region already has.

    So its gradient is summed in the lower precision, as PyTorch has it. A leaf that was written
    since is cast anew.
    """
    here, known = world(), kept()
    is_parameter = (
        known is not None
        and tensor.dtype is float32
        and dtype is not float32
        and tensor._view is None
        and isinstance(tensor._edge_in(here), Leaf)
    )
    if known is None or not is_parameter:
        return select.cast(tensor, dtype)
    elements = here.elements(tensor._storage)
    state = (here, elements, elements.version, dtype, is_grad_enabled())
    found = known.casts.get(id(tensor))
    if found is not None and found[1] == state:
        return found[2]
    made = select.cast(tensor, dtype)
    known.casts[id(tensor)] = (tensor, state, made)
    return made


_UNSAFE = (
    "nn.functional.binary_cross_entropy and nn.BCELoss are unsafe to autocast: probabilities of "
    "half precision are too coarse. Leave out the sigmoid before it and write "
    "nn.functional.binary_cross_entropy_with_logits or nn.BCEWithLogitsLoss, which are safe."
)

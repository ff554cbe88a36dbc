"""A case's module in both libraries, with the same weights, and what each makes of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.parity import TOLERANCE, arrays_of, cast, outcome, same, to_ng, to_torch

__all__ = [
    "ERRORS",
    "attributes_of",
    "built",
    "called_with",
    "compare",
    "compared",
    "pair",
    "raised",
    "variants",
]

#: What a call with wrong arguments raises in either library.
ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError, KeyError)


def raised(run: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """The result of a call, or its error."""
    try:
        return run(), None
    except ERRORS as error:
        return None, error


def pair(case: Case, dtype: str = "float32", training: bool = True) -> tuple[Any, Any]:
    """The module of each library, with the same weights.

    Raises:
        AssertionError: if only one can be built, or the kinds of error differ.
    """
    torch.manual_seed(0)
    theirs, refusal, warned = _attempt(lambda: built(case, torch.nn, to_torch, dtype))
    ours, error, said = _attempt(lambda: built(case, ng.nn, to_ng, dtype))
    if refusal is not None:
        _same_kind(error, refusal)
        return None, None
    if error is not None:
        raise error
    assert said == warned, f"{said}, not {warned}"
    ours, theirs = ours.to(getattr(ng, dtype)), theirs.to(getattr(torch, dtype))
    if any(map(torch.nn.parameter.is_lazy, theirs.parameters())):  # they get their shapes
        for module, convert in ((ours, to_ng), (theirs, to_torch)):
            module(*map(convert, cast(case.inputs or (), dtype)))
    # Weights that start as constants say nothing about which of them is used where.
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.linspace(-0.2, 0.3, p.numel(), dtype=p.dtype).reshape(p.shape))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(arrays_of(theirs.state_dict()))
    return ours.train(training), theirs.train(training)


def built(case: Case, library: Any, convert: Any, dtype: str) -> Any:
    own = _ours if library is ng.nn else lambda v: v
    args = [convert(own(v)) for v in cast(case.args, dtype)]
    options = dict(zip(case.options, cast(case.options.values(), dtype), strict=True))
    options = {k: convert(own(v)) for k, v in options.items()}
    if case.function:
        return _Call(library).bound(getattr(library.functional, case.name), options)
    return getattr(library, case.name)(*args, **options)


def _ours(value: Any) -> Any:
    """What stands in nngraph for a function or a layer of PyTorch's that is an argument."""
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return ng.nn.TransformerEncoderLayer(
            value.self_attn.embed_dim,
            value.self_attn.num_heads,
            value.linear1.out_features,
            value.dropout.p,
            _ours(value.activation),
            value.norm1.eps,
            value.self_attn.batch_first,
            value.norm_first,
            value.linear1.bias is not None,
        )
    if (
        getattr(value, "__module__", None) == "torch.nn.functional"
        or value is torch.nn.functional.gelu
    ):
        return getattr(ng.nn.functional, value.__name__)
    return value


def _Call(library: Any) -> Any:
    """A module of either library that is a function."""

    class Call(library.Module):  # type: ignore[misc, name-defined]
        def bound(self, function: Any, options: Any) -> Any:
            self._function, self._options = function, options
            return self

        def forward(self, *inputs: Any) -> Any:
            return self._function(*inputs, **self._options)

    return Call()


def _same_kind(ours: Exception | None, theirs: Exception) -> None:
    note = f"PyTorch raises {type(theirs).__name__}: {theirs}"
    assert ours is not None, note
    assert isinstance(ours, type(theirs)), f"{note}\nnot {type(ours).__name__}: {ours}"


def compare(
    case: Case, modules: tuple[Any, Any], inputs: list[Any], tolerance: float, refused: bool | None
) -> None:
    """Outputs and gradients are PyTorch's, or the kind of error is.

    ``refused`` says whether PyTorch raises; None if that does not matter.
    """
    ours, theirs = modules
    wanted, error, warned = _attempt(lambda: _outcome(case, theirs, to_torch, inputs))
    assert refused is None or refused == (error is not None), error
    found, own, said = _attempt(lambda: _outcome(case, ours, to_ng, inputs))
    if error is not None:
        _same_kind(own, error)
    elif own is not None:
        raise own
    else:
        same(found, wanted, tolerance)
        same(arrays_of(ours.state_dict()), arrays_of(theirs.state_dict()), tolerance)
        assert said == warned, f"{said}, not {warned}"


def _attempt(run: Callable[[], Any]) -> tuple[Any, Exception | None, set[type[Warning]]]:
    """The result of a call or its error, and the kinds of its warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        return *raised(run), {w.category for w in said}


def _outcome(case: Case, module: Any, convert: Any, inputs: list[Any]) -> dict[str, np.ndarray]:
    module.zero_grad()
    given = [v.dtype.name for v in inputs if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    given += [str(p.dtype).rpartition(".")[2] for p in module.parameters()]
    call = called_with(case, given[0] if given else "float64", convert)
    found = outcome(
        convert,
        lambda *values: module(*values, **call),
        inputs,
        list(module.named_parameters()),
        case.leaves,
    )
    return compared(case, found)


def called_with(case: Case, dtype: str, convert: Any) -> dict[str, Any]:
    """The keyword arguments of a call."""
    values = map(convert, cast(case.call.values(), dtype))
    return dict(zip(case.call, values, strict=True))


def compared(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """Without gradients where these are not compared."""
    dropped = "gradient" if case.no_gradient else "none"
    return {name: value for name, value in found.items() if not name.startswith(dropped)}


def tolerance_of(case: Case, dtype: str) -> float:
    return max(TOLERANCE[dtype], case.rough)


def variants(inputs: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The same inputs without a batch, with an empty one, and with an axis too many."""
    arrays = [isinstance(v, np.ndarray) and v.ndim > 0 for v in inputs]
    if not any(arrays):
        return
    changes: dict[str, Callable[[np.ndarray], Any]] = {
        "one sample": lambda v: v[0],
        "no sample": lambda v: v[:0],
        "an axis more": lambda v: v[None],
    }
    for name, change in changes.items():
        rows = zip(inputs, arrays, strict=True)
        yield name, [np.asarray(change(v)) if is_array else v for v, is_array in rows]


def attributes_of(module: Any) -> dict[str, Any]:
    """The plain attributes that a user can read."""
    found = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    kinds = (bool, int, float, str, tuple, list, type(None))
    return {k: v for k, v in found.items() if isinstance(v, kinds)}

"""Options of optimizers: a constructor's signature names them, a decorator checks them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from nngraph.frontend.base import TensorBase
from nngraph.optim.optimizer import Optimizer

__all__ = ["at_least_zero", "need", "options"]

_F = TypeVar("_F", bound=Callable[..., None])
Check = Callable[[Any], None]


def at_least_zero(what: str, most: float = float("inf")) -> Check:
    """A number from 0 on."""

    def check(value: Any) -> None:
        if not 0.0 <= value <= most:
            raise ValueError(f"Invalid {what}: {value}")

    return check


def need(holds: Callable[[Any], bool], text: str) -> Check:
    """A value for which ``holds`` is true; ``text`` says what it has to be, with {} for what is."""

    def check(value: Any) -> None:
        if isinstance(value, TensorBase) and value.aval.size != 1:
            raise ValueError(f"a Tensor option must be 1-element, got {value.aval}")
        if not holds(value):
            raise ValueError(text.format(value))

    return check


def _check_rate(lr: Any) -> None:
    if isinstance(lr, TensorBase) and lr.aval.size != 1:
        raise ValueError(f"Tensor lr must be 1-element, got {lr.aval}")
    at_least_zero("learning rate")(lr)


def _check_betas(values: Any) -> None:
    """Two numbers from 0 to below 1."""
    for position, beta in enumerate(values):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {position}: {beta}")


#: What options must be that mean the same in every optimizer.
_CHECKS: dict[str, Check] = {
    "lr": _check_rate,
    "eps": at_least_zero("epsilon value"),
    "betas": _check_betas,
    "weight_decay": at_least_zero("weight_decay value"),
}


def options(
    order: str = "",
    fixed: Mapping[str, Any] | None = None,
    absent: Mapping[str, Any] | None = None,
    **checks: Check,
) -> Callable[[_F], _F]:
    """Makes a constructor of its signature: options become ``defaults``.

    The body of the constructor says what the options must be together; it runs after the checks
    and before anything is made.

    Args:
        order: the options as ``param_groups`` has them, if not in the order of the signature.
        fixed: options that users do not choose.
        absent: what options are that PyTorch's first releases did not have, besides switches, which
            are off, and ``fixed`` ones.
        checks: of single options, besides those that mean the same in every optimizer.
    """

    def decorate(init: _F) -> _F:
        signature = inspect.signature(init)
        defaults = {name: p.default for name, p in signature.parameters.items()}
        switches = {k: v for k, v in defaults.items() if v is None or v is False}

        @wraps(init)
        def construct(self: Optimizer, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            _, params, *_ = bound.arguments.values()
            given = dict(list(bound.arguments.items())[2:]) | dict(fixed or {})
            for name, check in (_CHECKS | checks).items():
                if name in given:
                    check(given[name])
            _check_switches(given)
            init(*bound.args, **bound.kwargs)
            Optimizer.__init__(self, params, {k: given[k] for k in order.split() or given})

        vars(construct)["absent"] = switches | dict(fixed or {}) | dict(absent or {})
        return cast("_F", construct)

    return decorate


def _check_switches(given: Mapping[str, Any]) -> None:
    """PyTorch's own kernels, which change nothing here; not all of them go together."""
    if given.get("fused") and given.get("differentiable"):
        raise RuntimeError("`fused` does not support `differentiable`")
    if given.get("fused") and given.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if isinstance(given["lr"], TensorBase) and given.get("foreach") and not given.get("capturable"):
        raise ValueError(
            "lr as a Tensor is not supported for capturable=False and foreach=True: leave foreach "
            "out, which changes nothing here"
        )

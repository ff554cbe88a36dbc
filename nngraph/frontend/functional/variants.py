"""How a function is offered: as ``ng.f``, as a method, in place; aliases of arguments; ``out=``.

Every tensor function is one plain function, ``def exp(input: Tensor) -> Tensor``. A decorator says
in which forms PyTorch has it (its own word is variants), and this module derives them:

- ``ng.exp(input)``: takes also the names of NumPy's arguments (``axis``, ``keepdims``, ``x``, ...),
  and ``out=`` where the function declares it, by PyTorch's rules;
- ``x.exp()``: the function itself, with the same aliases;
- ``x.exp_()``: what the function gives replaces the elements of ``x``.

``assign_methods`` puts the methods on ``Tensor``. Type checkers read them in ``tensor.pyi``, which
``scripts/stubs.py`` writes from the functions' signatures; a test holds it to them. A stub and not
functions over a type variable, since a ``Parameter`` is a ``Tensor`` too: what is computed from one
is a ``Tensor``, where a type variable would say ``Parameter``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import update_wrapper, wraps
from types import FunctionType, ModuleType
from typing import Any, Protocol, TypeVar, cast

from nngraph.frontend.devices import need_cpu, need_dense, need_pageable
from nngraph.frontend.functional.access import write_result
from nngraph.frontend.functional.out import into
from nngraph.frontend.precision.casting import autocasts, uncast
from nngraph.frontend.tensor import Tensor

__all__ = [
    "ALIASES",
    "Variants",
    "assign_methods",
    "attribute",
    "both",
    "declared",
    "everywhere",
    "function",
    "method",
    "methods",
    "methods_of",
    "plain_of",
    "shown",
]

F = TypeVar("F", bound=Callable[..., Any])

#: Other names that PyTorch takes: NumPy's, and those of its overloads.
ALIASES = {
    "dim": ("axis",),
    "keepdim": ("keepdims",),
    "input": ("x", "a", "x1", "self"),
    "other": ("x2",),
    "A": ("input",),
    "B": ("other",),
    "elements": ("element",),
    "test_elements": ("test_element",),
    "indices_or_sections": ("indices", "sections", "tensor_indices_or_sections"),
}
#: Arguments that say where elements are: what refuses all but the CPU and its memory.
PLACES: dict[str, Callable[[Any], None]] = {
    "device": need_cpu,
    "layout": need_dense,
    "pin_memory": need_pageable,
}


@dataclass(frozen=True)
class Variants:
    """A decorator: the forms in which a function is offered.

    Attributes:
        function: as ``ng.f``.
        method: as ``x.f()``.
        inplace: as ``x.f_()``.
        attribute: as ``x.f``.
        name: of the method, if it is not the function's.
    """

    function: bool = False
    method: bool = False
    inplace: bool = False
    attribute: bool = False
    name: str = ""

    def __call__(self, plain: F) -> F:
        arguments = _Arguments(plain)
        plain = autocasts(plain)
        form = cast("Form", _function_form(plain, arguments))
        form.variants, form.plain, form.arguments = self, plain, arguments
        return cast("F", form)

    def overloaded(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """For a function whose overloads say more than its own signature."""
        return self(plain)

    def named(self, name: str) -> Variants:
        """The same forms under another name."""
        return replace(self, name=name)


function = Variants(function=True)
method = Variants(method=True)
methods = Variants(method=True, inplace=True)
attribute = Variants(attribute=True)
shown = Variants(function=True, attribute=True)
both = Variants(function=True, method=True)
everywhere = Variants(function=True, method=True, inplace=True)


class Form(Protocol):
    """A function as ``ng.f``, with what its other forms are made of."""

    variants: Variants
    plain: Callable[..., Any]
    arguments: _Arguments


class _Arguments:
    """What a call may name the arguments of a function, and of the method that it becomes."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.signature = inspect.signature(plain)
        parameters = self.signature.parameters
        names = list(parameters)
        first = parameters[names[0]] if names else None
        self.wants_tensor = first is not None and (first.name, first.annotation) == _INPUT
        self.takes_out = "out" in parameters
        self.places = [(name, PLACES[name]) for name in names if name in PLACES]
        dtype = parameters.get("dtype")
        self.dtype_by_name = dtype is not None and dtype.kind is dtype.KEYWORD_ONLY
        self.rest = next((p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL), "")
        self.lead = names[: names.index(self.rest)] if self.rest else []
        self.aliases = _aliases(names, parameters)
        self.aliases_of_method = _aliases(names[1:], parameters)

    def arranged(
        self, args: tuple[Any, ...], given: dict[str, Any], aliases: Mapping[str, str]
    ) -> tuple[Any, ...]:
        """Gives keywords their own names, and refuses other places than the CPU.

        Returns:
            The positional arguments.
        """
        for alias in aliases.keys() & given.keys():
            name = aliases[alias]
            if name in given:
                raise TypeError(f"got {name}= and {alias}=, which are the same argument")
            given[name] = given.pop(alias)
        for name, need in self.places:
            if name in given:
                need(given[name])
        return self._with_rest(args, given) if self.rest in given else args

    def _with_rest(self, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call that gives ``*sizes`` as ``sizes=``."""
        if len(args) > len(self.lead):
            raise TypeError(f"got multiple values for argument {self.rest!r}")
        missing = self.lead[len(args) :]
        return (*args, *(given.pop(n) for n in missing if n in given), given.pop(self.rest))

    def without_out(self) -> inspect.Signature:
        """The signature of a method, which takes no ``out=``."""
        kept = [p for name, p in self.signature.parameters.items() if name != "out"]
        return self.signature.replace(parameters=kept)


_INPUT = ("input", "Tensor")


def _aliases(names: Sequence[str], parameters: Mapping[str, object]) -> dict[str, str]:
    found = {alias: name for name in names for alias in ALIASES.get(name, ())}
    return {alias: name for alias, name in found.items() if alias not in parameters}


def _function_form(plain: Callable[..., Any], arguments: _Arguments) -> Callable[..., Any]:
    name = plain.__name__
    bare = uncast(plain)

    @wraps(plain)
    def call(*args: Any, **given: Any) -> Any:
        if given:
            args = arguments.arranged(args, given, arguments.aliases)
            if arguments.takes_out and (target := given.pop("out", None)) is not None:
                if arguments.dtype_by_name and given.get("dtype") is None:
                    given["dtype"] = getattr(target, "dtype", None)  # what is computed in
                return into(name, target, bare, args, given)
        if arguments.wants_tensor:
            operand = args[0] if args else given.get("input", Ellipsis)
            if not isinstance(operand, Tensor) and operand is not Ellipsis:
                raise TypeError(
                    f"{name}(): argument 'input' must be Tensor, not {type(operand).__name__}"
                )
        return plain(*args, **given)

    return call


def _method_form(plain: Callable[..., Any], arguments: _Arguments) -> Callable[..., Any]:
    aliases = arguments.aliases_of_method
    if not (aliases or arguments.rest or arguments.takes_out or arguments.places):
        return _copy(plain)

    @wraps(plain)
    def call(*args: Any, **given: Any) -> Any:
        if given:
            args = arguments.arranged(args, given, aliases)
            if given.pop("out", None) is not None:  # (NumPy's functions pass out=None)
                raise TypeError(
                    f"Tensor.{plain.__name__}() takes no out=; write ng.{plain.__name__}(x, out=y)"
                )
        return plain(*args, **given)

    if arguments.takes_out:
        call.__signature__ = arguments.without_out()  # type: ignore[attr-defined]
    return call


def _copy(plain: Callable[..., Any]) -> Callable[..., Any]:
    """The same function under another name: one call less than a wrapper."""
    assert isinstance(plain, FunctionType)
    twin = FunctionType(
        plain.__code__, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    twin.__kwdefaults__ = plain.__kwdefaults__
    return update_wrapper(twin, plain)


def _in_place_form(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The method ``compute`` whose result replaces the elements."""
    name = compute.__name__

    @wraps(compute)
    def call(input: Any, *args: Any, **given: Any) -> Any:
        wanted = given.get("dtype")
        if wanted is not None and wanted is not input.dtype:
            raise RuntimeError(
                f"{name}_() writes to a tensor of {input.dtype.name}, which has no elements of "
                f"dtype={wanted.name}"
            )
        return write_result(input, compute(input, *args, **given))

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__doc__ = f"``{name}`` whose result replaces the elements; returns the tensor itself."
    return call


def plain_of(form: Callable[..., Any]) -> Callable[..., Any]:
    """The function that a decorated one was written as."""
    return cast("Form", form).plain


# -- methods ---------------------------------------------------------------------------------


def declared(module: ModuleType) -> dict[str, Form]:
    """The tensor functions that a module defines, aliases included, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if hasattr(value, "variants") and value.__module__ == module.__name__
    }


def methods_of(module: ModuleType) -> Iterator[tuple[str, Any, Callable[..., Any]]]:
    """Name, value on the class and underlying function of a module's methods."""
    for name, form in declared(module).items():
        variants, plain = form.variants, form.plain
        shown = variants.name or name
        if variants.attribute:
            yield shown, property(plain), plain
        if variants.method:
            computed = _method_form(plain, form.arguments)
            yield shown, computed, plain
            if variants.inplace:
                own = _method_form(uncast(plain), form.arguments)
                yield f"{shown}_", _in_place_form(own), plain


def assign_methods(module: ModuleType) -> None:
    """Puts the methods that a module declares on ``Tensor``."""
    for name, value, _ in methods_of(module):
        if isinstance(value, FunctionType):  # found again by its name, so that it can be pickled
            value.__module__, value.__qualname__ = Tensor.__module__, f"Tensor.{name}"
        setattr(Tensor, name, value)

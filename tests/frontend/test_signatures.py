"""Every function takes PyTorch's names, in PyTorch's order, with its defaults.

The names are read from PyTorch itself; then each function, method, in-place form, alias and
``out=`` is called by name and compared.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
import torch

import nngraph as ng
from nngraph import nn
from nngraph.frontend import settings
from nngraph.frontend.errors import TraceError
from nngraph.frontend.functional.variants import ALIASES
from nngraph.frontend.inplace import IN_PLACE
from nngraph.nn.functional.toplevel import TOP_LEVEL
from tests.frontend import torch_signatures
from tests.frontend.arguments_by_name import ARGUMENTS, NEURAL, POSITIVE
from tests.frontend.parity import attempt, evaluate, operands, plain, same
from tests.frontend.torch_signatures import ABSENT, NONE, UNKNOWN, Parameter, Signature, of_callable

pytestmark = pytest.mark.filterwarnings(
    "ignore:torch.* is deprecated in favor of torch.linalg",
    "ignore:index_reduce.. is in beta",
    "ignore:.*range is deprecated",
    "ignore:at..(frobenius|nuclear)_norm is deprecated",
)

#: What differs on purpose: (kind, name, parameter) and why.
DIFFERENT = {
    ("f", "trace", "input"): "ng.trace makes a graph; x.trace() is the sum of the diagonal",
    ("f", "linspace", "steps"): "PyTorch's own parser refuses a call without it",
    ("f", "logspace", "steps"): "PyTorch's own parser refuses a call without it",
    ("f", "result_type", "*"): "takes any number of operands",
    ("f", "einsum", "args"): "operands, as documented",
    ("f", "unique", "args"): "its method says more",
    ("m", "expand", "implicit"): "of PyTorch's own use",
    ("m", "new", "*"): "data or sizes, by their places",
}

#: Out of PyTorch's stubs, where its parser refuses them.
REFUSED = {("m", name, "out") for name in ("add", "sub", "mul", "floor_divide", "true_divide")}
REFUSED.add(("F", "one_hot", "tensor"))  # it is input

OWN = {"compile", "export", "load", "save", "spec"}
# test_top_level.py, test_settings.py
ELSEWHERE = OWN | {
    *TOP_LEVEL,
    *IN_PLACE,
    *settings.__all__,
    "get_default_dtype",
    "set_default_dtype",
}
UNTYPED = {"get_device", "is_storage", "is_tensor", "typename"}
PLAIN = {"from_dlpack", "get_rng_state", "set_rng_state", "initial_seed", "manual_seed"}


def subjects() -> list[tuple[str, str, Any, list[Signature]]]:
    """(kind, name, ours, PyTorch's overloads) of everything that both have."""
    theirs = torch_signatures.functions()
    found = [
        ("f", name, getattr(ng, name), theirs[name])
        for name in ng.__all__
        if name in theirs and not isinstance(getattr(ng, name), type) and name not in ELSEWHERE
    ]
    methods = torch_signatures.methods()
    found += [
        ("m", name, value, methods[name])
        for name, value in vars(ng.Tensor).items()
        if name in methods and callable(value) and not name.startswith("__")
    ]
    neural = torch_signatures.neural()
    functional = nn.functional
    return found + [
        ("F", name, getattr(functional, name), neural[name]) for name in functional.__all__
    ]


SUBJECTS = subjects()


def own_parameters(kind: str, function: Any) -> dict[str, Parameter]:
    found = of_callable(function)
    return {p.name: p for p in (found[1:] if kind == "m" else found)}


def named(parameter: str, ours: dict[str, Parameter]) -> Parameter | None:
    """Our parameter of that name or alias."""
    if parameter in ours:
        return ours[parameter]
    return next(
        (ours[n] for n, others in ALIASES.items() if parameter in others and n in ours), None
    )


def expected(kind: str, name: str, overload: Signature) -> list[Parameter]:
    """Those parameters of an overload that nngraph has to take."""
    if any((kind, name, q) in DIFFERENT for q in (*(p.name for p in overload), "*")):
        return []
    positional = {p.name for p in overload if not p.keyword_only}
    if "self" in positional and positional & {"alpha", "beta", "value"}:
        return []  # forms that PyTorch gave up: factors before the tensors that they scale
    names = [p for p in overload if p.name not in ABSENT and (kind, name, p.name) not in REFUSED]
    return [p for p in names if not p.variadic]


def test_most_functions_are_compared() -> None:
    kinds = [kind for kind, *_ in SUBJECTS]
    assert kinds.count("f") > 245 and kinds.count("m") > 350 and kinds.count("F") > 70
    compared = {name for kind, name, *_ in SUBJECTS if kind == "f"}
    functions = {n for n in ng.__all__ if hasattr(getattr(ng, n), "variants")}
    assert functions - compared <= PLAIN | {"get_device", "is_storage", "is_tensor", "typename"} | {
        *TOP_LEVEL
    }


@pytest.mark.parametrize(("kind", "name", "ours", "theirs"), SUBJECTS)
def test_names_order_and_defaults(kind: str, name: str, ours: Any, theirs: list[Signature]) -> None:
    mine = own_parameters(kind, ours)
    problems = [p for overload in theirs for p in compared(expected(kind, name, overload), mine)]
    assert not problems, f"{name}: {'; '.join(problems)}"


def compared(wanted: list[Parameter], mine: dict[str, Parameter]) -> list[str]:
    places = [named(p.name, mine) for p in wanted if not p.keyword_only]
    return [
        *(text for p in wanted for text in differences(p, named(p.name, mine))),
        *out_of_order([p for p in places if p is not None], mine),
    ]


@pytest.mark.parametrize(("kind", "name", "parameter"), sorted(DIFFERENT.keys() | REFUSED))
def test_exceptions_are_needed(kind: str, name: str, parameter: str) -> None:
    ours, theirs = next((o, t) for k, n, o, t in SUBJECTS if (k, n) == (kind, name))
    mine = own_parameters(kind, ours)
    named_so = [o for o in theirs if parameter in ("*", *(p.name for p in o))]
    assert any(compared(list(overload), mine) for overload in named_so)


def differences(theirs: Parameter, ours: Parameter | None) -> list[str]:
    if ours is None:
        return [f"lacks {theirs.name}"]
    if theirs.default in (NONE, UNKNOWN, Ellipsis) or ours.variadic:
        return []
    if ours.default is NONE:
        return [f"{ours.name} is required; PyTorch's default is {theirs.default!r}"]
    equal = ours.default == theirs.default or {str(ours.default), str(theirs.default)} in (
        {"None", "()"},
        {"0", "valid"},  # the stub's overload for padding by name
    )
    return [] if equal else [f"{ours.name}={ours.default!r}, PyTorch has {theirs.default!r}"]


def out_of_order(places: list[Parameter], mine: dict[str, Parameter]) -> list[str]:
    positional = [p.name for p in mine.values() if not p.keyword_only]
    order = [positional.index(p.name) for p in places if p.name in positional]
    return [] if order == sorted(order) else [f"order of {[p.name for p in places]}"]


def test_differences_are_found() -> None:
    """The comparison itself, on signatures that differ."""
    size, other = Parameter("size"), Parameter("dim", default=0)
    assert differences(size, None) == ["lacks size"]
    assert differences(other, Parameter("dim")) and differences(other, Parameter("dim", default=1))
    assert not differences(other, Parameter("dim", default=0))
    assert out_of_order([other, size], {"size": size, "dim": other})
    assert not out_of_order([size, other], {"size": size, "dim": other})


# -- calls by name ---------------------------------------------------------------------------

FUNCTIONS = sorted(
    name for kind, name, *_ in SUBJECTS if kind == "f" and ARGUMENTS.get(name, "?") != ""
)


def arguments(name: str) -> str:
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    required = {p.name for p in of_callable(getattr(ng, name)) if p.required}
    assert required <= {"input", "other", "dim"}, f"give {name} arguments"
    text = "input=p" if name in POSITIVE else "input=y"
    return text + ", other=p" * ("other" in required) + ", dim=1" * ("dim" in required)


def agree(text: str) -> None:
    """The value that PyTorch has, which takes the call."""
    wanted, error = attempt(torch, text)
    assert error is None, f"PyTorch refuses {text}: {error}"
    same(plain(evaluate(ng, text, operands(ng, text))), plain(wanted))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_name(name: str) -> None:
    agree(f"m.{name}({arguments(name)})")


@pytest.mark.filterwarnings("ignore:.nn.functional.upsample.* is deprecated")
@pytest.mark.parametrize("name", nn.functional.__all__)
def test_functions_of_nn_by_name(name: str) -> None:
    given = NEURAL.get(name, "input=y")
    agree(f"m.nn.functional.{name}({given})")
    taken = {p.name for p in of_callable(getattr(nn.functional, name))}
    unnamed = taken - set(re.findall(r"\b(\w+)=", given)) - {"size_average", "reduce", "out"}
    assert unnamed <= {"_stacklevel"}


def split_input(name: str) -> tuple[str, str]:
    """The tensor, and the other arguments."""
    first, _, rest = re.split(r"^\w+=", arguments(name))[1].partition(", ")
    while first.count("[") > first.count("]") or first.count("(") > first.count(")"):
        more, _, rest = rest.partition(", ")
        first = f"{first}, {more}"
    return first, rest


METHODS = [n for n in FUNCTIONS if hasattr(ng.Tensor, n) and n not in ("where", "split", "real")]


@pytest.mark.parametrize("name", METHODS)
def test_methods_by_name(name: str) -> None:
    tensor, rest = split_input(name)
    agree(f"({tensor}).{name}({rest})")


IN_PLACE = sorted(n for n in vars(ng.Tensor) if n.endswith("_") and not n.startswith("_"))
OVERWRITING = {
    "copy_": "y.clone().copy_(other=p, non_blocking=True)",
    "fill_": "y.clone().fill_(value=2)",
    "zero_": "y.clone().zero_()",
    "uniform_": "y.clone().uniform_(1.0, to=1.0)",
    "normal_": "y.clone().normal_(mean=2.0, std=0.0)",
    "bernoulli_": "y.clone().bernoulli_(p=1.0)",
    "random_": "y.clone().random_(5, to=6)",
    "exponential_": "y.clone().exponential_(lambd=2.0).gt(0)",
    "geometric_": "y.clone().geometric_(p=0.5).ge(1)",
    "cauchy_": "y.clone().cauchy_(median=2.0, sigma=1e-30)",
    "log_normal_": "y.clone().log_normal_(mean=0.0, std=1e-30)",
    "fill_diagonal_": "y.clone().fill_diagonal_(fill_value=2, wrap=False)",
    "t_": "y.clone().t_()",
    "apply_": "y.clone().apply_(abs)",
    "map_": "y.clone().map_(p, callable=max)",
    "map2_": "y.clone().map2_(x=p, y=y, callable=max)",
    "share_memory_": "y.clone().share_memory_()",
    "transpose_": "y.clone().transpose_(dim0=0, dim1=1)",
    "swapdims_": "y.clone().swapdims_(dim0=0, dim1=1)",
    "swapaxes_": "y.clone().swapaxes_(axis0=0, axis1=1)",
    "resize_": "y.clone().resize_(size=(2, 2))",
    "resize_as_": "y.clone().resize_as_(the_template=z[:2])",
    "squeeze_": "q.clone().squeeze_(dim=1)",
    "unsqueeze_": "y.clone().unsqueeze_(dim=1)",
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms_by_name(name: str) -> None:
    assert hasattr(torch.Tensor, name)
    if name in OVERWRITING:
        agree(OVERWRITING[name])
        return
    tensor, rest = split_input(name[:-1])
    text = (
        f"t = ({tensor}).clone(); r = t.{name}({rest.replace('float64', 'float32')}); (t, r is t)"
    )
    if name == "float_power_":
        text = text.replace("p).clone", "d).clone")
    agree(text)


NUMPY_NAMES = {"dim": "axis", "keepdim": "keepdims", "input": "x", "other": "x2"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpys_names(name: str) -> None:
    text = arguments(name)
    for own, alias in NUMPY_NAMES.items():
        text = re.sub(rf"\b{own}=", f"{alias}=", text)
    call = f"m.{name}({text})"
    if attempt(torch, call)[1] is None:
        agree(call)


def test_numpys_names_are_taken() -> None:
    for text in (
        "m.sum(x=y, axis=1, keepdims=True)",
        "y.sum(axis=1, keepdims=True)",
        "m.add(x1=y, x2=p)",
        "y.add(x2=p)",
        "m.cat([y, p], axis=1)",
        "m.softmax(a=y, axis=0)",
        "y.max(axis=1, keepdims=True)",
        "m.pow(self=2, exponent=p)",
        "m.tensor_split(y, sections=2, axis=1)",
    ):
        agree(text)


# -- out= ------------------------------------------------------------------------------------

WITH_OUT = [  # ger warns that outer is its name now
    n for n in FUNCTIONS if "out" in own_parameters("f", getattr(ng, n)) and n != "ger"
]


@pytest.mark.parametrize("name", WITH_OUT)
def test_out(name: str) -> None:
    call = f"m.{name}({arguments(name)})".replace(", as_tuple=True", "")
    value = attempt(torch, call)[0]
    if isinstance(value, tuple):
        made = ", ".join(f"m.empty(0, dtype=m.{plain(v)[0]})" for v in value)
        text = f"o = ({made}); r = {call[:-1]}, out=o); (tuple(o), r[0] is o[0], r[1] is o[1])"
    else:
        made = f"m.empty(0, dtype=m.{plain(value)[0]})"
        text = f"o = {made}; r = {call[:-1]}, out=o); (o, r is o)"
    agree(text)


REFUSALS = (
    "m.exp(y, out=m.zeros(3, 4, dtype=m.int64))",
    "m.exp(y, out=3)",
    "m.exp(y.requires_grad_(), out=m.zeros(3, 4))",
    "m.exp(y, out=m.zeros(3, 4).requires_grad_())",
    "m.cat([y, p.requires_grad_()], out=m.zeros(6, 4))",
    "m.sort(y, out=m.zeros(3, 4))",
    "y.exp(out=m.zeros(3, 4))",
    "y.add_(p, out=m.zeros(3, 4))",
    "m.eye(2, out=m.zeros(2, 2).requires_grad_())",
    "m.exp(inputs=y)",
    "m.exp(2.0)",
    "m.exp()",
    "m.exp(y, y)",
    "m.sum(y, dim=1, axis=1)",
    "m.add(y, p, beta=2)",
    "y.permute(2, 0, dims=(1,))",
    "m.scatter(y, 0, g)",
)


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text: str) -> None:
    wanted, error = attempt(torch, text)
    assert error is not None, wanted
    got, raised = attempt(ng, text)
    assert isinstance(raised, type(error)), f"PyTorch raises {error!r}, nngraph {raised or got!r}"


def test_out_of_another_dtype_and_shape() -> None:
    agree("o = m.zeros(3, 4, dtype=m.float64); m.exp(y, out=o); o")
    agree("o = m.zeros(3, 4); m.eq(y, p, out=o); o")
    agree("o = m.zeros(3, dtype=m.int64); m.sum(y * 10, 1, out=o); o.dtype")
    agree("o = m.zeros(6).reshape(2, 3)[0]; m.add(v[:3], 1, out=o); o")
    agree("b = m.zeros(2, 3); m.add(v[:3], 1, out=b[1]); b")
    agree("m.add(y, 1, out=y); y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree("o = m.zeros(2, 2); m.exp(y, out=o); o")
    out = ng.zeros(2)
    with pytest.warns(UserWarning, match=r"resized since it had shape \[2\]"):
        assert ng.exp(ng.ones(3), out=out) is out
    assert out.shape == (3,)
    with ng.no_grad():
        leaf = ng.zeros(3).requires_grad_()
        assert ng.exp(ng.ones(3), out=leaf) is leaf and leaf.is_leaf


def test_out_in_a_compiled_function() -> None:
    def step(x: Any, kept: Any) -> Any:
        ng.mul(x, 2, out=kept)
        return kept + 1

    compiled, kept = ng.compile(step, backend="reference"), ng.zeros(3)
    result = compiled(ng.ones(3), kept)
    assert kept.tolist() == [2.0] * 3 and result.tolist() == [3.0] * 3


def test_out_that_would_change_its_shape_in_a_compiled_function() -> None:
    compiled = ng.compile(lambda x, o: ng.exp(x, out=o), backend="reference")
    with pytest.warns(UserWarning, match="resized"), pytest.raises(TraceError, match="type"):
        compiled(ng.ones(3), ng.zeros(2))

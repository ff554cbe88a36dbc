"""Jacobians, Hessians and products with them, at a place (``torch.autograd.functional``).

``ng.func`` has the same as functions of functions. Here each call gives the numbers, and options
say what is recorded (``create_graph``), what zeros mean (``strict``) and how rows are computed
(``vectorize``). All of it runs in compiled functions, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nngraph.autograd.strictness import Stage, Strictness
from nngraph.frontend.autograd import grad
from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.modes import enable_grad, is_grad_enabled, set_grad_enabled
from nngraph.func.jacobians import basis, jacfwd
from nngraph.ops.creation import zeros_like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]
Tensors = tuple[Any, ...]
_STRATEGIES = ("forward-mode", "reverse-mode")


def _listed(value: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Whether a tuple was given, and its tensors."""
    is_tuple = isinstance(value, tuple)
    tensors = value if is_tuple else (value,)
    for place, tensor in enumerate(tensors):
        if not isinstance(tensor, TensorBase):
            found = f"value at index {place}" if is_tuple else f"given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{found} has type {type(tensor)}."
            )
    return is_tuple, tensors


def _shown(tensors: Tensors, is_tuple: bool, create_graph: bool) -> Any:
    """The results as the argument was: a tuple, or the only one."""
    made = tensors if create_graph else tuple(t.detach() for t in tensors)
    return made if is_tuple else made[0]


def _own(tensors: Tensors, create_graph: bool, need_grad: bool = True) -> Tensors:
    """Tensors to differentiate by: others than the function may have met already."""
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_(need_grad)
        for t in tensors
    )


class _Place:
    """A function at a place: what it gives, and the arguments that it is differentiated by."""

    def __init__(
        self, func: Function, inputs: Any, v: Any, name: str, create_graph: bool, strict: bool
    ) -> None:
        self.create_graph = create_graph
        self.strict = Strictness(strict, create_graph)
        self.is_tuple, given = _listed(inputs, "inputs", name)
        self.inputs = _own(given, create_graph)
        self.v: Tensors | None = None
        if v is not None:
            _, vectors = _listed(v, "v", name)
            self.v = _own(vectors, create_graph, need_grad=False)
        if name != "vjp":
            self._need_like_inputs()
        returned = func(*self.inputs)
        what = "outputs of the user-provided function"
        self.gives_tuple, self.outputs = _listed(returned, what, name)
        self.strict.outputs(self.outputs)

    def _need_like_inputs(self) -> None:
        if self.v is not None:
            _need_like(self.v, self.inputs, self.is_tuple)
        elif len(self.inputs) != 1 or self.inputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a "
                "single Tensor with a single element."
            )

    def need_number(self, name: str) -> None:
        """Raises RuntimeError unless the function gives one tensor of one element."""
        if self.gives_tuple:
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if self.outputs[0].numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {name} should contain a single "
                "element"
            )

    def results(self, products: Tensors, as_inputs: bool) -> tuple[Any, Any]:
        """The outputs and the products, for the caller."""
        is_tuple = self.is_tuple if as_inputs else self.gives_tuple
        return (
            _shown(self.outputs, self.gives_tuple, self.create_graph),
            _shown(products, is_tuple, self.create_graph),
        )

    def last(self, outputs: Tensors, by: Tensors, v: Tensors | None, stage: Stage) -> Tensors:
        """The product that was asked for, recorded only where the caller records."""
        with set_grad_enabled(self.create_graph or is_grad_enabled()):
            found = _gradients(outputs, by, v, self.create_graph)
            return self.strict.filled(found, by, stage)


def _need_like(v: Tensors, others: Tensors, is_tuple: bool) -> None:
    if len(v) != len(others):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(others)} but got {len(v)}."
            if is_tuple
            else "The given v should contain a single Tensor."
        )
    for place, (vector, other) in enumerate(zip(v, others, strict=True)):
        if vector.aval.shape != other.aval.shape:
            entry = f"Entry {place} in " if is_tuple else ""
            raise RuntimeError(
                f"{entry}v has invalid size: should be {other.size()} but got {vector.size()}."
            )


def _gradients(
    outputs: Sequence[Any],
    inputs: Tensors,
    seeds: Sequence[Any] | None,
    create_graph: bool,
    retain_graph: bool | None = None,
    batched: bool = False,
) -> Sequence[Any]:
    """``grad`` that skips what requires none, and gives None where nothing depends on an input."""
    given = [None] * len(outputs) if seeds is None else seeds
    pairs = [
        (o, s) for o, s in zip(outputs, given, strict=True) if o is not None and o.requires_grad
    ]
    if not pairs:
        return [None] * len(inputs)
    roots, vectors = zip(*pairs, strict=True)
    found: Sequence[Any] = grad(
        roots, inputs, vectors, retain_graph, create_graph, True, True, batched
    )
    return found


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The product of ``v`` with the Jacobian of ``func``, as a gradient.

    Args:
        func: takes tensors, gives a tensor or a tuple of them.
        inputs: where: a tensor, or a tuple.
        v: of the outputs' shapes; may be left out for one output of one element, and is 1 then.
        create_graph: record outputs and product, for gradients of higher order.
        strict: refuse what does not depend on an input, whose gradient is zeros otherwise.

    Returns:
        ``(outputs, product)``; the product looks like the inputs.

    Raises:
        TypeError: for what is no tensor.
        RuntimeError: for a ``v`` that does not fit, and as ``strict`` says.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vjp.html
    """
    with enable_grad():
        place = _Place(func, inputs, v, "vjp", create_graph, strict)
        if place.v is not None:
            _need_like(place.v, place.outputs, place.gives_tuple)
        elif len(place.outputs) != 1 or place.outputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single "
                "Tensor with a single element."
            )
    product = place.last(place.outputs, place.inputs, place.v, Stage.BACK)
    return place.results(product, as_inputs=True)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The product of the Jacobian of ``func`` with ``v``.

    It is the gradient of ``vjp`` by its vector.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        v: of the inputs' shapes; may be left out for one input of one element, and is 1 then.

    Returns:
        ``(outputs, product)``; the product looks like the outputs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jvp.html
    """
    with enable_grad():
        place = _Place(func, inputs, v, "jvp", create_graph, strict)
        seeds = tuple(zeros_like(o).detach().requires_grad_() for o in place.outputs)
        back = _gradients(place.outputs, place.inputs, seeds, True)
        place.strict.gradients(back)
    product = place.last(tuple(back), seeds, place.v, Stage.BACK_TRICK)
    return place.results(product, as_inputs=False)


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The product of ``v`` with the Hessian of ``func``, which gives one number.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        v: of the inputs' shapes; may be left out for one input of one element, and is 1 then.

    Returns:
        ``(output, product)``; the product looks like the inputs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vhp.html
    """
    with enable_grad():
        place = _Place(func, inputs, v, "vhp", create_graph, strict)
        place.need_number("vhp")
        first = _gradients(place.outputs, place.inputs, None, True)
        place.strict.jacobian(first)
    product = place.last(tuple(first), place.inputs, place.v, Stage.DOUBLE_BACK)
    return place.results(product, as_inputs=True)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The product of the Hessian of ``func`` with ``v``; ``vhp`` is the same number, and cheaper.

    Arguments and results are those of ``vhp``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hvp.html
    """
    with enable_grad():
        place = _Place(func, inputs, v, "hvp", create_graph, strict)
        place.need_number("hvp")
        first = _gradients(place.outputs, place.inputs, None, True)
        place.strict.jacobian(first)
        seeds = tuple(zeros_like(t).detach().requires_grad_() for t in place.inputs)
        second = _gradients(first, place.inputs, seeds, True)
        place.strict.hessian(first)
    product = place.last(tuple(second), seeds, place.v, Stage.DOUBLE_BACK_TRICK)
    return place.results(product, as_inputs=True)


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``.

    Args:
        func, inputs, create_graph, strict: as for ``vjp``.
        vectorize: compute all rows at once, by ``vmap``, instead of one after the other.
        strategy: "forward-mode" computes columns: for more outputs than inputs.

    Returns:
        For one input and one output a tensor of shape ``(*output.shape, *input.shape)``; for a
        tuple of inputs a tuple of such, and for a tuple of outputs a tuple of these.

    Raises:
        AssertionError: for another strategy.
        NotImplementedError, RuntimeError: for options that PyTorch does not take together.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jacobian.html
    """
    if strategy not in _STRATEGIES:
        raise AssertionError(
            f'Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}. '
            "Hint: take forward-mode for more outputs than inputs, reverse-mode otherwise."
        )
    if strategy == "forward-mode":
        return _columns(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        is_tuple, given = _listed(inputs, "inputs", "jacobian")
        own = _own(given, create_graph)
        returned = func(*own)
        what = "outputs of the user-provided function"
        gives_tuple, outputs = _listed(returned, what, "jacobian")
        strictness = Strictness(strict, create_graph)
        strictness.outputs(outputs)
        if vectorize:
            if strict:
                raise RuntimeError(
                    "nngraph.autograd.functional.jacobian: `strict=True` and `vectorized=True` are "
                    "not supported together. Please either set `strict=False` or "
                    "`vectorize=False`."
                )
            rows = _all_rows(outputs, own, create_graph)
        else:
            rows = [_rows(i, o, own, strictness) for i, o in enumerate(outputs)]
    made = tuple(_shown(tuple(row), is_tuple, create_graph) for row in rows)
    return made if gives_tuple else made[0]


def _rows(place: int, output: Any, inputs: Tensors, strictness: Strictness) -> list[Any]:
    """By each input the rows of one output, one after the other."""
    rows: list[list[Any]] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for element in range(output.numel()):
        found = _gradients((flat[element],), inputs, None, strictness.create_graph, True)
        strictness.row(place, found)
        for row, gradient, tensor in zip(rows, found, inputs, strict=True):
            row.append(zeros_like(tensor).detach() if gradient is None else gradient)
    return [
        stack(row).reshape(*output.shape, *t.shape) for row, t in zip(rows, inputs, strict=True)
    ]


def _all_rows(outputs: Tensors, inputs: Tensors, create_graph: bool) -> list[list[Any]]:
    """As ``_rows``, of all outputs at once."""
    flat = [o.reshape(-1) for o in outputs]
    count = sum(o.numel() for o in outputs)
    found = _gradients(flat, inputs, basis(flat), create_graph, batched=True)
    sizes = [o.numel() for o in outputs]
    parts = [
        (zeros_like(t).detach().expand(count, *t.shape) if g is None else g).split(sizes)
        for g, t in zip(found, inputs, strict=True)
    ]
    return [
        [p[i].reshape(*o.shape, *t.shape) for p, t in zip(parts, inputs, strict=True)]
        for i, o in enumerate(outputs)
    ]


def _columns(func: Function, inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    if create_graph:
        raise NotImplementedError(
            "nngraph.autograd.functional.jacobian: `create_graph=True` and "
            '`strategy="forward-mode"` are not supported together (yet). Please either set '
            '`create_graph=False` or `strategy="reverse-mode"`.'
        )
    if strict:
        raise RuntimeError(
            'nngraph.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are '
            "not supported together (yet). Please either set `strict=False` or "
            '`strategy="reverse-mode"`.'
        )
    is_tuple, given = _listed(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
            "implemented for `vectorize=True`."
        )
    found = jacfwd(func, tuple(range(len(given))))(*given)
    # A tuple of one tensor an input; for a tuple of outputs, a tuple of such.
    if isinstance(found[0], tuple):
        return tuple(of_one if is_tuple else of_one[0] for of_one in found)
    return found if is_tuple else found[0]


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of ``func``, which gives one number.

    Args:
        func, inputs, create_graph, strict, vectorize: as for ``jacobian``.
        outer_jacobian_strategy: the ``strategy`` of the outer of two Jacobians.

    Returns:
        For one input a tensor of shape ``(*input.shape, *input.shape)``; for a tuple of inputs a
        tuple of tuples.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hessian.html
    """
    is_tuple, given = _listed(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in _STRATEGIES:
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode", got '
            f"{outer_jacobian_strategy!r}."
        )

    def number(*tensors: Any) -> Any:
        returned = func(*tensors)
        what = "outputs of the user-provided function"
        gives_tuple, outputs = _listed(returned, what, "hessian")
        Strictness(strict, create_graph).outputs(outputs)
        if gives_tuple:
            raise RuntimeError("The function given to hessian should return a single Tensor")
        if returned.numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single "
                "element"
            )
        return returned.reshape(())

    def first(*tensors: Any) -> Any:
        found = jacobian(number, tensors, create_graph=True)
        Strictness(strict, create_graph).jacobian(found)
        return found

    found = jacobian(first, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if is_tuple else found[0][0]

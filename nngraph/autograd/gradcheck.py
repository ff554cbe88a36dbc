"""Gradients beside finite differences (``torch.autograd.gradcheck``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from nngraph.autograd.differences import (
    Case,
    GradcheckError,
    Options,
    Tolerances,
    compare_jacobians,
    compare_projections,
    differentiable,
    listed,
)
from nngraph.frontend.autograd import grad
from nngraph.frontend.base import TensorBase
from nngraph.frontend.custom import Function
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.random import rand
from nngraph.frontend.generator import Generator
from nngraph.frontend.lanes.vmap import vmap
from nngraph.ir.dtypes import float64
from nngraph.ops.creation import zeros_like

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Tensors = tuple[Any, ...]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares gradients with central differences of step ``eps``; use float64.

    Args:
        func: gives a tensor or a tuple of them.
        inputs: its arguments, a tuple; those that require grad are moved, and put back.
        eps, atol, rtol: the step, and the tolerances of ``allclose``.
        raise_exception: whether a difference is an error; else the answer is False.
        nondet_tol: how much a second backward pass may differ from the first.
        check_undefined_grad: also let outputs have no gradient.
        check_grad_dtypes: refuse gradients of other dtypes than the inputs'.
        check_batched_grad: also compute gradients by ``vmap``.
        check_backward_ad: False leaves nothing to check.
        fast_mode: compare one random projection instead of the whole Jacobian.
        masked: take gradients that are close to zero for zero, where they have to be.

    Raises:
        GradcheckError: for a difference.
        ValueError: if no input requires grad.
        NotImplementedError: for the options of forward mode, which here is a gradient's gradient
            (``ng.func.jvp``): what holds for ``backward`` holds for it.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#numerical-gradient-checking
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_forward_ad or check_batched_forward_grad:
        _refuse_forward("check_forward_ad=False, check_batched_forward_grad=False")
    options = Options(
        Tolerances(eps, atol, rtol, nondet_tol),
        check_undefined_grad,
        check_grad_dtypes,
        check_batched_grad,
        fast_mode,
        masked,
    )
    return _answer(func, listed(inputs), options, raise_exception)


def _answer(
    func: Callable[..., Any], inputs: Tensors, options: Options, raise_exception: bool
) -> bool:
    try:
        _check(func, inputs, options)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _refuse_forward(wanted: str) -> None:
    raise NotImplementedError(
        "there are no rules of forward mode to check: ng.func.jvp is the gradient of a gradient, "
        f"for which gradgradcheck of backward is the check. Write {wanted}"
    )


def _check(func: Callable[..., Any], inputs: Tensors, options: Options) -> None:
    case = Case(func, inputs, _watched(inputs), options)
    returned = listed(func(*inputs))
    if options.fast_mode:
        compare_projections(case, returned)
    else:
        compare_jacobians(case, returned)
    if options.check_batched_grad:
        for place, output in enumerate(case.outputs()):
            _compare_batched(output, case.by, place)
    _need_linear(case)
    if options.check_undefined_grad:
        _need_undefined(case)


def _watched(inputs: Tensors) -> Tensors:
    """The inputs to differentiate by."""
    found = []
    for place, tensor in enumerate(inputs):
        if not isinstance(tensor, TensorBase) or not tensor.requires_grad:
            continue
        if tensor.dtype is not float64:
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=4,
            )
        steps: Sequence[int] = tensor.stride()  # type: ignore[attr-defined]
        if any(s == 0 and n > 1 for s, n in zip(steps, tensor.shape, strict=True)):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports "
                "inputs that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )
        found.append(tensor)
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    return tuple(found)


# -- other ways to ask for them ----------------------------------------------------------------
def _compare_batched(output: Any, by: Tensors, place: int) -> None:
    generator = Generator().manual_seed(place)
    count = output.numel()
    seeds = [
        rand(count, generator=generator).to(output.dtype).reshape(output.shape) for _ in range(2)
    ]

    def rows(seed: Any) -> Any:
        found = grad(output, by, seed, retain_graph=True, allow_unused=True)
        return tuple(
            zeros_like(t).detach() if g is None else g for g, t in zip(found, by, strict=True)
        )

    expected = [stack(of_one) for of_one in zip(*map(rows, seeds), strict=True)]
    try:
        found = vmap(rows)(stack(seeds))
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}") from error
    for input, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        if not got.allclose(wanted):
            raise GradcheckError(
                f"For output {place} and input {input}:\n\ngradients that vmap computes differ "
                f"from those that are computed one by one.\n\nGot:\n{got}\n\nExpected:\n{wanted}"
            )


def _need_linear(case: Case) -> None:
    """Gradients of zero times the outputs are zero, and look like the inputs."""
    outputs = case.outputs()
    if not outputs:
        return
    seeds = [zeros_like(o).detach() for o in outputs]
    for gradient, tensor in zip(
        grad(outputs, case.by, seeds, allow_unused=True), case.by, strict=True
    ):
        if gradient is None:
            continue
        zero = zeros_like(gradient)
        if not (gradient.allclose(zero) if case.options.masked else gradient.equal(zero)):
            raise GradcheckError("backward not multiplied by grad_output")
        if gradient.dtype is not tensor.dtype:
            raise GradcheckError("grad is incorrect type")
        if gradient.shape != tensor.shape:
            raise GradcheckError("grad is incorrect size")


class _Undefined(Function):
    """The tensor itself, whose gradient gets lost."""

    @staticmethod
    def forward(ctx: Any, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> None:
        return None


def _need_undefined(case: Case) -> None:
    """Outputs that nobody differentiates, all of them and one by one, add nothing."""
    count = len(case.outputs())
    lost = [set(range(count))] + [{place} for place in range(count) if count > 1]
    for places in lost if count else ():
        outputs = [_Undefined.apply(o) if i in places else o for i, o in enumerate(case.outputs())]
        seeds = [zeros_like(o).detach() for o in outputs]
        try:
            found = grad(outputs, case.by, seeds, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                "Expected backward function to handle undefined output grads: check_undefined_grad "
                f"found {error}"
            ) from error
        if any(g is not None and (g != 0).any().item() for g in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are "
                "undefined or zero."
            )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of the gradients of ``func``.

    Args:
        func, inputs, and options of its names: as for ``gradcheck``.
        grad_outputs: the outputs' gradients; random ones of their shapes by default.
        gen_non_contig_grad_outputs: let the elements of random ones lie apart in memory.
        check_rev_over_rev: False leaves nothing to check.

    Raises:
        GradcheckError, ValueError, NotImplementedError: as ``gradcheck``.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#numerical-gradient-checking
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    if check_fwd_over_rev:
        _refuse_forward("check_fwd_over_rev=False")
    tensors = listed(inputs)
    if grad_outputs is None:
        outputs = differentiable(func(*tensors))
        seeds = _random_like(outputs, gen_non_contig_grad_outputs)
    else:
        seeds = listed(grad_outputs)
    options = Options(
        Tolerances(eps, atol, rtol, nondet_tol),
        check_undefined_grad,
        check_grad_dtypes,
        check_batched_grad,
        fast_mode,
        masked,
    )
    return _answer(_gradients_of(func, tensors), tensors + seeds, options, raise_exception)


def _gradients_of(func: Callable[..., Any], tensors: Tensors) -> Callable[..., Tensors]:
    """The function of arguments and of gradients of its outputs that gives gradients."""
    watched = [i for i, t in enumerate(tensors) if isinstance(t, TensorBase) and t.requires_grad]
    count = len(tensors)

    def gradients(*args: Any) -> Tensors:
        outputs = differentiable(func(*args[:count]))
        by = [args[i] for i in watched]
        found = grad(outputs, by, args[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradients


def _random_like(outputs: Tensors, apart: bool) -> Tensors:
    generator = Generator().manual_seed(len(outputs))
    made = []
    for output in outputs:
        pairs = rand(2 * output.numel(), generator=generator).to(output.dtype) * 2 - 1
        one = pairs.reshape(*output.shape, 2)[..., 0]
        made.append((one if apart else one.clone()).requires_grad_())
    return tuple(made)

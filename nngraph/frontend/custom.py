"""Functions whose gradient their author writes: ``ng.autograd.Function``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from nngraph.frontend.base import TensorBase
from nngraph.frontend.modes import is_grad_enabled, no_grad
from nngraph.frontend.record import Edge, Entry, Handle, Leaf
from nngraph.frontend.tape import save
from nngraph.frontend.world import world
from nngraph.ir.op import Op, Thunk
from nngraph.ir.types import TensorType
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise import select

__all__ = ["Function", "FunctionCtx"]


class FunctionCtx:
    """What a forward leaves to its backward; any attribute may be set.

    Attributes:
        needs_input_grad: of each argument of the forward, whether it is a tensor that requires a
            gradient.
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._kept: tuple[Any, ...] = ()
        self._saved: list[Any] = []
        self._plain: tuple[int, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._fills = True

    def save_for_backward(self, *tensors: TensorBase | None) -> None:
        """Keeps arguments or results of the forward for ``saved_tensors``."""
        for index, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, TensorBase):
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{index} is of type {type(tensor).__name__}"
                )
        self._kept = tensors

    def save_for_forward(self, *tensors: TensorBase | None) -> None:
        """Nothing: forward mode goes through ``backward``, and calls no ``jvp``."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept; in a backward only."""
        return tuple(self._saved)

    def mark_non_differentiable(self, *args: TensorBase) -> None:
        """Says that results require no gradient."""
        self._plain = tuple(map(id, args))

    def set_materialize_grads(self, value: bool) -> None:
        """Whether the backward gets zeros, or else None, for results without a gradient."""
        self._fills = value

    def mark_dirty(self, *args: TensorBase) -> None:
        """Says that the forward changed arguments in place; it has to return them, too."""
        self._dirty = args


@dataclass(frozen=True, eq=False)
class Custom(Op):
    """The gradient of one call. It stands on the tape only; a graph never has it.

    Attributes:
        function: the class.
        ctx: of the call.
        places: of each tensor among the arguments its position.
        count: of arguments.
    """

    function: type[Function]
    ctx: FunctionCtx
    places: tuple[int, ...]
    count: int
    name = "function"

    @property
    def backward_name(self) -> str:
        return f"{self.function.__name__}Backward"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        found: list[Any] = []

        def gradient(position: int) -> Any:
            if not found:
                found.extend(self._run(inputs, outputs, grads))
            given, kind = found[self.places[position]], inputs[position].aval
            same = given is None or given.aval.dtype is kind.dtype
            return given if same else select.cast(given, kind.dtype)

        return [lambda p=p: gradient(p) for p in range(len(inputs))]  # type: ignore[misc]

    def _run(self, inputs: Any, outputs: Any, grads: Any) -> tuple[Any, ...]:
        ctx = self.ctx
        own = [*inputs, *outputs]
        for operand in own:
            operand._kept()  # refuses a second backward
        ctx._saved = [own[v]._as_tensor() if isinstance(v, int) else v for v in ctx._kept]
        given = [
            zeros_like(o) if g is None and ctx._fills else g
            for o, g in zip(outputs, grads, strict=True)
        ]
        rule = self.function.backward
        if rule is Function.backward:
            rule = self.function.vjp
        try:
            made = rule(ctx, *(None if g is None else g._as_tensor() for g in given))
        finally:
            ctx._saved = []
        found = made if isinstance(made, tuple) else (made,)
        if len(found) > self.count and all(g is None for g in found[self.count :]):
            found = found[: self.count]
        if len(found) != self.count:
            raise RuntimeError(
                f"function {self.function.__name__}Backward returned an incorrect number of "
                f"gradients (expected {self.count}, got {len(found)})"
            )
        self._check(found, inputs)
        return found

    def _check(self, found: tuple[Any, ...], inputs: Any) -> None:
        types = {place: operand.aval for place, operand in zip(self.places, inputs, strict=True)}
        for index, gradient in enumerate(found):
            if gradient is None:
                continue
            if not isinstance(gradient, TensorBase):
                raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
            if index not in types:
                raise RuntimeError(
                    f"function {self.function.__name__}Backward returned a gradient different "
                    f"than None at position {index + 1}, but the corresponding forward input was "
                    "not a Variable"
                )
            if gradient.aval.shape != types[index].shape:
                raise RuntimeError(
                    f"Function {self.function.__name__}Backward returned an invalid gradient at "
                    f"index {index} - got {gradient.aval} but expected {types[index]}"
                )


class Function:
    """Base of functions with a gradient of their own; called by ``apply``.

    A subclass has two static methods. ``forward(ctx, *args)`` computes with tensors, as any code
    does; or ``forward(*args)`` together with ``setup_context(ctx, inputs, output)``.
    ``backward(ctx, *grads)`` takes the gradients of the results, and gives one for each argument,
    None for what is no tensor or needs none. Both are traced like any code, so that a function
    runs on every backend.

    ``generate_vmap_rule`` may say what it likes: ``vmap`` goes through forward and backward.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: functions are called by ``apply`` of their class."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method: F.apply(x)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What it computes."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keeps what backward needs, where forward takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls the function.

        Returns:
            What forward returns; its tensors have the gradient that backward computes.

        Raises:
            RuntimeError: for an argument that is dirty, and is not returned or is a leaf.
        """
        here, ctx = world(), FunctionCtx()
        places = tuple(i for i, a in enumerate(args) if isinstance(a, TensorBase))
        tensors = [args[i] for i in places]
        edges = [t._edge_in(here) for t in tensors]
        recorded = is_grad_enabled() and any(e is not None for e in edges)
        wanted = {i for i, e in zip(places, edges, strict=True) if e is not None}
        ctx.needs_input_grad = tuple(i in wanted for i in range(len(args)))
        output = cls._called(ctx, args)
        _need_returned(ctx._dirty, output)
        if not recorded:
            return output
        single = not isinstance(output, tuple)
        results = (output,) if single else output
        _need_may_be_dirty(ctx._dirty, tensors, edges)
        inputs = [t._saved(here, e) for t, e in zip(tensors, edges, strict=True)]
        dirty = set(map(id, ctx._dirty))
        made = [r if id(r) in dirty else _own(r, tensors) for r in results]
        shown = [m for m in made if isinstance(m, TensorBase)]
        entry = Entry(
            Custom(cls, ctx, places, len(args)),
            inputs,
            [save(here, m, None) for m in shown],
            here.here(),
            here.level,
        )
        ctx._kept = tuple(_kept(v, tensors, results, dirty) for v in ctx._kept)
        for index, tensor in enumerate(shown):
            plain = id(_first(results, index)) in ctx._plain
            if tensor.dtype.is_floating_point and not plain:
                here.set_edge(tensor, Edge(entry, index))
        ctx._plain = ctx._dirty = ()
        return made[0] if single else tuple(made)

    @classmethod
    def _called(cls, ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
        with no_grad():
            if cls.setup_context is Function.setup_context:
                return cls.forward(ctx, *args)
            output = cls.forward(*args)
            cls.setup_context(ctx, args, output)
            return output


def _own(result: Any, tensors: Sequence[Any]) -> Any:
    """A result as a tensor that nothing else is: its edge is the function's."""
    if not isinstance(result, TensorBase):
        return result
    if result._view is None and not any(result._storage is t._storage for t in tensors):
        return Handle._result(result._storage)
    here = world()
    return Handle._result(here.copied(result._read(here)))


def _first(results: Sequence[Any], index: int) -> Any:
    """The tensor among the results that has this position among the tensors."""
    return [r for r in results if isinstance(r, TensorBase)][index]


def _kept(value: Any, tensors: Sequence[Any], results: Sequence[Any], dirty: set[int]) -> Any:
    """What was saved: the position among the operands, or a tensor that is none of them."""
    own = [*tensors, *(r for r in results if isinstance(r, TensorBase))]
    start = len(tensors) if id(value) in dirty else 0  # what it became, and not what it was
    return next((i for i, t in enumerate(own) if i >= start and t is value), value)


def _need_returned(dirty: Sequence[Any], output: Any) -> None:
    results = set(map(id, output if isinstance(output, tuple) else (output,)))
    if not all(id(t) in results for t in dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function."
        )


def _need_may_be_dirty(
    dirty: Sequence[Any], tensors: Sequence[Any], edges: Sequence[Edge | Leaf | None]
) -> None:
    known = {id(t): e for t, e in zip(tensors, edges, strict=True)}
    for tensor in dirty:
        if isinstance(known.get(id(tensor)), Leaf):
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
        if tensor._view is not None:
            raise NotImplementedError(
                "a Function can't change a view in place: return a new tensor, and assign it with "
                "x.copy_(F.apply(x))"
            )

"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

from nngraph.backends import choose_backend
from nngraph.frontend.compile import compile
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.errors import TraceError
from nngraph.frontend.functional.creation import zeros_like
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.modes import enable_grad, no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.optim.line_search import Point, strong_wolfe
from nngraph.optim.optimizer import Optimizer, ParamsT
from nngraph.optim.options import options

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Newton's method with a Hessian that the last changes of the gradient tell.

    ::

        s, y = last change of p, of its gradient        (kept if y's > 1e-10)
        d = -H g            with H from the pairs (s, y), and s'y / y'y on the diagonal
        p = p + t * d       with t = lr, or from a line search

    The closure, which computes the loss and its gradients anew, is compiled at its first call for
    the backend that is installed; the vectors' few operations and the line search run eagerly
    beside it. A closure that cannot be traced, or one made anew for each step, runs as it is. A
    compiled function of one's own is called as it is.

    Args:
        params: of one group.
        lr: length of a step; with a line search, of the first try.
        max_iter: iterations in a step.
        max_eval: calls of the closure in a step; None means ``max_iter * 5 // 4``.
        tolerance_grad: it stops where no element of the gradient is larger.
        tolerance_change: it stops where the parameters or the loss change less.
        history_size: how many pairs are kept.
        line_search_fn: ``"strong_wolfe"`` or None.

    Raises:
        ValueError: for a rate below 0, or several groups.

    Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006, algorithms 7.4, 7.5;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
    """

    _unwatched: ClassVar[frozenset[str]] = frozenset({"_compiled", "_codes"})
    # The closure that it compiles reaches it, and does not look at what it keeps.
    _guards_itself: ClassVar[frozenset[str]] = frozenset({"state"})

    @options()
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None: ...

    def _begin(self) -> None:
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        for given in (self.defaults, self.param_groups[0]):
            if given["max_eval"] is None:
                given["max_eval"] = given["max_iter"] * 5 // 4
        self._compiled: tuple[Any, Callable[[], Any]] | None = None
        self._codes = set[CodeType]()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward``, returns the loss.

        Returns:
            The loss before the step.

        Raises:
            TypeError: without a closure.
            RuntimeError: for another line search.
            TraceError: inside a compiled function.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        world().refuse(
            "LBFGS.step, which looks at the loss and at gradients to decide how to go on,",
            "Call optimizer.step(closure) outside: it compiles the closure itself.",
        )
        if self.param_groups[0]["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        with no_grad():
            return _Step(self, closure).run()

    def evaluated(self, closure: Callable[[], Any]) -> Any:
        """The closure's loss, compiled where that can be."""
        if isinstance(closure, CompiledFunction):
            return closure()
        if self._compiled is None or self._compiled[0] is not closure:
            code = getattr(closure, "__code__", None)
            once = code in self._codes  # another of the same code: made anew for each step
            self._codes |= {code} if code is not None else set()
            made = closure if once else compile(closure, backend=choose_backend())
            self._compiled = closure, made
        run = self._compiled[1]
        try:
            return run()
        except TraceError:
            self._compiled = closure, closure
            return closure()


class _Step:
    """One call of ``step``."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.optimizer = optimizer
        self.closure = closure
        self.group = optimizer.param_groups[0]
        self.params: list[Tensor] = self.group["params"]
        self.state = optimizer.state[self.params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)

    def run(self) -> Any:
        group, state = self.group, self.state
        with enable_grad():
            original = self.optimizer.evaluated(self.closure)
        loss, grad, evals = float(original), self.gradient(), 1
        state["func_evals"] += 1
        if self.is_flat(grad):
            return original
        d, t = state.get("d"), state.get("t")
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self.direction(grad, d, t)
            before = state["prev_loss"] = loss
            state["prev_flat_grad"] = grad.clone()
            t = self.first_length(grad)
            slope = float(grad.dot(d))
            if slope > -group["tolerance_change"]:
                break
            is_last = iteration == group["max_iter"]
            start = Point(0.0, loss, grad, slope)
            end, count = self.moved(start, t, d, group["max_eval"] - evals, is_last)
            loss, grad, t = end.loss, end.grad, end.at
            evals += count
            state["func_evals"] += count
            if is_last or evals >= group["max_eval"] or self.is_flat(grad):
                break
            if float((d * t).abs().max()) <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        state["d"], state["t"] = d, t
        return original

    # -- the direction ---------------------------------------------------------------------------
    def direction(self, grad: Tensor, d: Any, t: Any) -> Tensor:
        """``-H grad``, with the last change among those that tell H."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        y, s = grad - state["prev_flat_grad"], d * t
        ys = y.dot(s)
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        if float(ys) > 1e-10:
            if len(changes) == self.group["history_size"]:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(y)
            steps.append(s)
            inverses.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        q = -grad
        al = state.setdefault("al", [None] * self.group["history_size"])
        rows = list(enumerate(zip(changes, steps, inverses, strict=True)))
        for i, (change, step, inverse) in reversed(rows):
            al[i] = step.dot(q) * inverse
            q = q - change * al[i]
        r: Tensor = q * state["H_diag"]
        for i, (change, step, inverse) in rows:
            r = r + step * (al[i] - change.dot(r) * inverse)
        return r

    def first_length(self, grad: Tensor) -> float:
        rate = float(self.group["lr"])
        is_first = self.state["n_iter"] == 1
        total = float(grad.abs().sum())
        return min(1.0, 1.0 / total) * rate if is_first and total else rate

    # -- along it --------------------------------------------------------------------------------
    def moved(
        self, start: Point, t: float, d: Tensor, most: int, is_last: bool
    ) -> tuple[Point, int]:
        """Changes the parameters; where they are then, and how many evaluations it took."""
        if self.group["line_search_fn"] is None:
            self.add(t, d)
            return (Point(t, start.loss, start.grad, 0.0), 0) if is_last else (self.look(t, d), 1)
        kept = [p.clone() for p in self.params]

        def evaluate(place: float) -> Point:
            self.add(place, d)
            point = self.look(place, d)
            for p, value in zip(self.params, kept, strict=True):
                p.copy_(value)
            return point

        found, count = strong_wolfe(evaluate, start, t, float(d.abs().max()), most)
        self.add(found.at, d)
        return found, count

    def look(self, at: float, d: Tensor) -> Point:
        with enable_grad():
            loss = float(self.optimizer.evaluated(self.closure))
        grad = self.gradient()
        return Point(at, loss, grad, float(grad.dot(d)))

    def gradient(self) -> Tensor:
        """All gradients as one vector; zeros where there is none."""
        grads = [zeros_like(p) if p.grad is None else p.grad for p in self.params]
        return cat([g.detach().reshape(-1) for g in grads])

    def add(self, length: float, d: Tensor) -> None:
        position = 0
        for p in self.params:
            part = d[position : position + p.numel()]
            p.add_(part.reshape(p.shape), alpha=length)
            position += p.numel()

    def is_flat(self, grad: Tensor) -> bool:
        return bool(float(grad.abs().max()) <= self.group["tolerance_grad"])

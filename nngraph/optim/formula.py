"""What optimizers share that update each parameter by a formula of its gradient and state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any, ClassVar

from nngraph.frontend.functional.creation import full
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.host import guarded, host_number
from nngraph.frontend.modes import enable_grad, no_grad
from nngraph.frontend.protocols import Recording
from nngraph.frontend.tables import StateTable, Table
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import eagerly, world
from nngraph.ir.dtypes import DType, float32
from nngraph.ops.composite import wide_dtype
from nngraph.optim.arithmetic import add_decay
from nngraph.optim.optimizer import Optimizer, ParamGroup

__all__ = ["FormulaOptimizer", "Numbers"]

#: The tensors that an optimizer keeps for one parameter, by name.
Slots = dict[str, Tensor]
#: A parameter, the table of its state, and the names and the tensors there.
_Held = tuple[Tensor, Slots, tuple[str, ...], tuple[Tensor, ...]]


class Numbers:
    """The options of one group as code computes with them.

    ``n.lr`` is a Python float eagerly, and while tracing a float64 scalar that each call reads
    from the group anew. ``n.has("nesterov")`` is a fact that shapes the graph: a change of it
    traces the function again.
    """

    def __init__(self, group: ParamGroup, prefix: str) -> None:
        self._group = group
        self._prefix = prefix
        self._made = set[int]()

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_") or key not in self._group:
            raise AttributeError(f"the parameter group has no option {key!r}")
        value = self._group[key]
        if isinstance(value, tuple | list):
            base = key if key == "eps" else key.removesuffix("s")
            if any(one is None for one in value):
                self.fact(key, lambda them: [one is None for one in them])
            return tuple(
                host_number(self._group, key, f"{self._prefix}{base}{i + 1}", i)
                if one is not None
                else None
                for i, one in enumerate(value)
            )
        return host_number(self._group, key, self._prefix + key)

    def has(self, key: str) -> bool:
        """Whether the option is there and is neither zero nor False."""
        if key not in self._group:
            return False
        return bool(guarded(self._group, key, lambda value: bool(value != 0)))

    def fact(self, key: str, of: Callable[[Any], Any] = lambda value: value) -> Any:
        """What ``of`` says of an option, and shapes the graph as ``has`` does."""
        return guarded(self._group, key, of)

    def decay(self) -> dict[str, Any]:
        """``decay``: what the parameter is multiplied by, or what of it the gradient gets."""
        if not self.has("weight_decay"):
            return {}
        decoupled = self.has("decoupled_weight_decay")
        return {"decay": 1 - self.lr * self.weight_decay if decoupled else self.weight_decay}

    def made(self, state: Slots) -> None:
        """This step is the first that has a parameter's state."""
        self._made.add(id(state))

    def is_first(self, state: Slots, difference: str) -> bool:
        """Whether this step made the state of a parameter; ``difference`` says what it does."""
        if id(state) not in self._made:
            return False
        world().once(f"the first step of an optimizer {difference}")
        return True


class FormulaOptimizer(Optimizer):
    """An optimizer that is a formula for one parameter.

    A subclass gives the names of its state, the numbers that parameters of one group and step
    share, and the update. Options that many have are done here: ``maximize``, and the decay of
    ``weight_decay``. Parameters with the same number of steps behind them share one ``step``
    tensor, so that a compiled step counts once, not once for each parameter.

    Attributes:
        counts_steps: whether it keeps ``step``.
        scalars: the slots that are numbers of a parameter: float32 without axes.
        decays_itself: whether ``update`` does what ``weight_decay`` says.
        takes_rows: whether it takes gradients that know their rows; as dense ones, unless it asks.
    """

    counts_steps: ClassVar[bool] = True
    scalars: ClassVar[frozenset[str]] = frozenset()
    decays_itself: ClassVar[bool] = False
    takes_rows: ClassVar[bool] = False
    _guards_itself: ClassVar[frozenset[str]] = frozenset({"state", "params"})

    def slots(self, n: Numbers) -> tuple[str, ...]:
        """Names of the state tensors besides ``step``, shaped as the parameter, or ``scalars``."""
        raise NotImplementedError

    def shape(self, slot: str, param: Tensor) -> Sequence[Any] | None:
        """Of a state tensor that is no scalar; None where this parameter has none of it."""
        return param.shape

    def initial(self, slot: str, group: ParamGroup) -> float:
        """What a state tensor is filled with at first."""
        return 0.0

    def shared(self, n: Numbers, step: Any) -> dict[str, Any]:
        """Numbers that the update needs, computed in float64."""
        raise NotImplementedError

    def update(self, param: Tensor, grad: Tensor, state: Slots, n: Numbers, s: Any) -> None:
        """Changes the parameter and its state in place; ``s`` holds ``shared`` as attributes.

        How it rounds parameters of 16 bits is told in ``arithmetic``.
        """
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have gradients; see ``Optimizer.step``."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad(), world().scope(transform="update"):
            self._step()
        return loss

    def _step(self) -> None:
        work: list[tuple[Numbers, list[tuple[Tensor, Tensor]]]] = []
        for position, group in enumerate(self.param_groups):
            n = Numbers(group, f"group{position}." if position else "")
            pairs = [(p, g) for p in group["params"] if (g := p.grad) is not None]
            self._need_kind([grad for _, grad in pairs], n)
            work.append((n, pairs))
        params = [param for _, pairs in work for param, _ in pairs]
        if self.counts_steps:
            self._prepare_steps(params)
        for group, (n, pairs) in zip(self.param_groups, work, strict=True):
            for param, _ in pairs:
                self._prepare(param, group, n)
        world().describe(lambda trace: self._note(trace, params))
        steps = self._count(params)
        for n, pairs in work:
            self._update_group(n, pairs, steps)

    def _need_kind(self, grads: list[Tensor], n: Numbers) -> None:
        """Refuses gradients that know their rows where PyTorch refuses sparse ones."""
        if not any(grad.is_sparse for grad in grads):
            return
        name = type(self).__name__
        if not self.takes_rows:
            more = ", please consider SparseAdam instead" if "Adam" in name else ""
            raise RuntimeError(f"{name} does not support sparse gradients{more}")
        if n.has("weight_decay"):
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")

    def _update_group(
        self, n: Numbers, pairs: list[tuple[Tensor, Tensor]], steps: dict[int, Any]
    ) -> None:
        if not pairs:
            return
        known: dict[tuple[int, DType], _Shared] = {}
        exact: dict[int, dict[str, Any]] = {}
        decays = n.has("weight_decay") and not self.decays_itself
        maximize = n.has("maximize")
        decoupled = decays and n.has("decoupled_weight_decay")
        for param, grad in pairs:
            state = self.state.get(param, {})
            count = id(state["step"]) if self.counts_steps else 0
            if count not in exact:
                exact[count] = {**self.shared(n, steps.get(count)), **n.decay()}
            key = (count, param.dtype)
            if key not in known:
                known[key] = _Shared(exact[count], wide_dtype(param.dtype))
            s = known[key]
            grad = -grad if maximize else grad
            if decoupled:
                param.mul_(s.decay)
            elif decays:
                grad = add_decay(grad, param, s.decay)
            self.update(param, grad, state, n, s)

    # -- state -----------------------------------------------------------------------------
    def _prepare(self, param: Tensor, group: ParamGroup, n: Numbers) -> None:
        """Makes the state tensors that are missing: eagerly, also while tracing."""
        slots = self.slots(n)
        if not slots:
            return
        here, state = world(), self._state_of(param)
        for slot in slots:
            shape = self.shape(slot, param)
            if state.get(slot) is None and shape is not None:
                with eagerly():
                    value = self.initial(slot, group)
                    alone = slot in self.scalars
                    fresh = (
                        tensor(value, float32) if alone else full(shape, value, dtype=param.dtype)
                    )
                here.put(state, slot, fresh)
                n.made(state)

    def _state_of(self, param: Tensor) -> Slots:
        if param not in self.state:
            world().put(self.state, param, Table())
        return self.state[param]

    def _prepare_steps(self, params: list[Tensor]) -> None:
        with eagerly():
            fresh = tensor(0.0, float32)
        for param in params:
            state = self._state_of(param)
            if "step" not in state:
                world().put(state, "step", fresh)
        self._split_steps({id(p) for p in params})

    def _count(self, params: list[Tensor]) -> dict[int, Any]:
        """Adds one to the step counts; gives them by identity, as numbers."""
        here, counted = world(), dict[int, Any]()
        increments = here.notes(self)
        for param in params if self.counts_steps else ():
            step = self.state[param]["step"]
            if id(step) not in counted:
                step.add_(1)
                counted[id(step)] = here.count(step)
                known = increments.get(id(step), 0)
                increments[id(step)] = None if known is None else known + 1
        return counted

    def _twin(self, step: Tensor) -> Tensor:
        """Another tensor of the same count, which exists also outside the trace."""
        with eagerly():
            twin = step.clone()
        added = world().notes(self).get(id(step), 0)  # counts of the trace in progress
        if added is None:
            world().refuse(
                "a step for fewer parameters after one that a GradScaler may leave out",
                "Give these parameters an optimizer of their own.",
            )
        return twin.add_(added) if added else twin

    def _split_steps(self, active: set[int]) -> None:
        """Where only some parameters that share a count have gradients, these get their own."""
        idle = {id(s["step"]) for p, s in self.state.items() if id(p) not in active and "step" in s}
        own: dict[int, Tensor] = {}
        for param, state in list(self.state.items()):
            step = state.get("step")
            if id(param) in active and id(step) in idle and step is not None:
                if id(step) not in own:
                    own[id(step)] = self._twin(step)
                world().put(state, "step", own[id(step)])

    def _note(self, trace: Recording, params: list[Tensor]) -> None:
        """Names the state, and guards that groups and state stay the tensors that they are."""
        own = self._slots_kept()
        kept = [self._kept(param, own) for param in params]
        for position, (param, slots) in enumerate(zip(params, kept, strict=True)):
            name = trace.state_name(param._storage) or f"parameter_{position}"
            for slot, value in slots.items():
                full = "optimizer.step" if slot == "step" else f"optimizer.{slot}.{name}"
                trace.name(value._storage, full)
            trace.consume(param)
        groups, rows = self._layout()
        table = self.state

        def same_groups() -> bool:
            now = self.param_groups
            same = self.state is table and len(now) == len(groups) and all(map(is_, now, groups))
            return same and _same([group["params"] for group in now], rows)

        number = len(trace.guards)
        reason = f"the parameter groups or the state of {type(self).__name__} were replaced"
        what = f"the parameter groups of {type(self).__name__}"
        trace.guard(("groups", id(self), number), same_groups, reason, what=what)
        held = [
            (param, self.state[param], tuple(slots), tuple(slots.values()))
            for param, slots in zip(params, kept, strict=True)
            if self.state.get(param)
        ]
        self._guard_state(trace, held, number)

    def _guard_state(self, trace: Recording, held: list[_Held], number: int) -> None:
        def same_state() -> bool:
            get = self.state.get
            for param, state, names, values in held:
                if get(param) is not state or not all(map(is_, map(state.get, names), values)):
                    return False
            return True

        what = f"the state of {type(self).__name__}"
        reason = f"{what} holds other tensors"
        # Dicts that users put there can't tell of their changes.
        tables = [self.state, *(state for _, state, _, _ in held)]
        covered = all(isinstance(table, StateTable | Table) for table in tables)
        trace.guard(("state", id(self), number), same_state, reason, covered, what)

    def _scalars(self) -> frozenset[str]:
        return self.scalars | {"step"}

    def _slots_kept(self) -> frozenset[str]:
        """Keys of what is kept for a parameter; users may keep something beside it."""
        groups = (self.slots(Numbers(group, "")) for group in self.param_groups)
        return frozenset({"step"}.union(*groups))

    def _kept(self, param: Tensor, own: frozenset[str]) -> Slots:
        return {slot: value for slot, value in self.state.get(param, {}).items() if slot in own}

    def _layout(self) -> tuple[list[ParamGroup], list[list[Tensor]]]:
        groups = list(self.param_groups)
        return groups, [list(g["params"]) for g in groups]


def _same(lists: list[list[Tensor]], others: list[list[Tensor]]) -> bool:
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(lists, others, strict=True))


class _Shared:
    """Numbers as attributes; float64 scalars of a trace are cast once, but not to 16 bits.

    Attributes:
        exact: the numbers as they are.
    """

    def __init__(self, numbers: dict[str, Any], dtype: DType) -> None:
        self.exact = numbers
        self._dtype = dtype
        for name, value in numbers.items():
            setattr(self, name, self.cast(value))

    def cast(self, value: Any, dtype: DType | None = None) -> Any:
        """A number as the update computes with it, or as a tensor of ``dtype`` does."""
        return value.to(dtype or self._dtype) if isinstance(value, Tensor) else value

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"shared() gave no number {name!r}")

"""Graphs of typed SSA values. They change only through methods here, which keep uses right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.roles import Label, Role
from nngraph.ir.types import TensorType, TypeMismatch

__all__ = ["Graph", "Node", "State", "Use", "User", "Value"]


class Value:
    """One tensor of a graph: its type, the node that makes it, and who reads it.

    ``producer`` is None for graph inputs, scalars and state inputs.
    """

    __slots__ = ("_uses", "graph", "hint", "index", "producer", "type")

    def __init__(
        self, graph: Graph, type: TensorType, producer: Node | None, index: int, hint: str = ""
    ) -> None:
        self.graph = graph
        self.type = type
        self.producer = producer
        self.index = index
        self.hint = hint
        self._uses: dict[Use, None] = {}

    @property
    def aval(self) -> TensorType:
        """The type, by the name that rules ask any operand by."""
        return self.type

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every (user, input position), in the order in which they were made."""
        return tuple(self._uses)

    @property
    def is_used(self) -> bool:
        return bool(self._uses)

    @property
    def use_count(self) -> int:
        """The number of ``uses``."""
        return len(self._uses)

    def iter_users(self) -> Iterator[Node]:
        """The nodes that read it one by one, those that do so twice twice; nothing may change."""
        return (u for u, _ in self._uses if isinstance(u, Node))

    @property
    def users(self) -> tuple[Node, ...]:
        """The nodes that read it, each once (the graph's own results are no node)."""
        return tuple(dict.fromkeys(u for u, _ in self._uses if isinstance(u, Node)))

    def apply(self, op: Op, operands: Sequence[Value]) -> tuple[Value, ...]:
        """Adds a node where the innermost ``with Builder(graph)`` of its graph says.

        Raises:
            RuntimeError: if no builder of the graph is in force.
        """
        appliers = self.graph._appliers
        if not appliers:
            raise RuntimeError(
                f"no Builder of graph {self.graph.name!r} is in force: wrap the code in "
                "`with Builder(graph):`"
            )
        return appliers[-1](op, operands)

    def replace_uses(self, new: Value) -> None:
        """Makes every reader of this value read ``new``.

        Raises:
            TypeMismatch: if the types differ.
        """
        if new.type != self.type:
            raise TypeMismatch(f"cannot replace a value of type {self.type} by one of {new.type}")
        for user, position in tuple(self._uses):
            user.replace_input(position, new)

    def __repr__(self) -> str:
        return f"<Value {self.hint or '_'}: {self.type}>"


class User:
    """Something that reads values: a node, or the graph's results."""

    __slots__ = ("_inputs", "graph")

    def __init__(self, graph: Graph, inputs: Sequence[Value]) -> None:
        self.graph = graph
        self._inputs = list(inputs)
        for position, value in enumerate(self._inputs):
            _check_owner(graph, value)
            value._uses[(self, position)] = None

    @property
    def inputs(self) -> tuple[Value, ...]:
        return tuple(self._inputs)

    def replace_input(self, position: int, value: Value) -> None:
        """Reads ``value`` at ``position`` from now on."""
        _check_owner(self.graph, value)
        del self._inputs[position]._uses[(self, position)]
        self._inputs[position] = value
        value._uses[(self, position)] = None

    def _release(self) -> None:
        for position, value in enumerate(self._inputs):
            del value._uses[(self, position)]
        self._inputs = []


Use = tuple[User, int]


class Node(User):
    """An operator applied to values. Nodes form a linked list in execution order."""

    __slots__ = ("_attached", "_next", "_prev", "op", "origin", "outputs")

    def __init__(
        self,
        graph: Graph,
        op: Op,
        inputs: Sequence[Value],
        types: Sequence[TensorType],
        origin: Origin,
    ) -> None:
        super().__init__(graph, inputs)
        self.op = op
        self.origin = origin
        self.outputs = tuple(Value(graph, t, self, i) for i, t in enumerate(types))
        # An erased node keeps its neighbours, so that an iteration that stands on it can go on.
        self._prev: Node | None = None
        self._next: Node | None = None
        self._attached = False

    @property
    def output(self) -> Value:
        """The only output."""
        (out,) = self.outputs
        return out

    @property
    def is_attached(self) -> bool:
        """False once the node was erased."""
        return self._attached

    def __repr__(self) -> str:
        return f"<Node {self.op.name} @ {self.origin}>"


class _Results(User):
    """What a graph gives back: its outputs, then the new value of each state."""

    __slots__ = ()

    def grow(self, value: Value) -> None:
        _check_owner(self.graph, value)
        self._inputs.append(value)
        value._uses[(self, len(self._inputs) - 1)] = None


@dataclass(frozen=True, slots=True)
class State:
    """A named tensor that lives from call to call: what a call reads, and what it leaves."""

    name: str
    input: Value
    output: Value

    @property
    def is_changed(self) -> bool:
        return self.output is not self.input


Applier = Callable[[Op, Sequence[Value]], tuple[Value, ...]]


class Graph:
    """Inputs, nodes in topological order, outputs, state pairs and host scalars."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self._inputs: list[Value] = []
        self._scalars: dict[str, Value] = {}
        self._states: dict[str, Value] = {}
        self._first: Node | None = None
        self._last: Node | None = None
        self._size = 0
        self._outputs = _Results(self, ())
        self._next_states = _Results(self, ())
        self._labels: list[Label] = []  # of the outputs
        self._appliers: list[Applier] = []  # of the builders in force, innermost last

    # -- what it holds ---------------------------------------------------------------------
    @property
    def inputs(self) -> tuple[Value, ...]:
        return tuple(self._inputs)

    @property
    def scalars(self) -> dict[str, Value]:
        """Host numbers read at each call, by name (a copy)."""
        return dict(self._scalars)

    @property
    def states(self) -> tuple[State, ...]:
        return tuple(
            State(n, v, o)
            for (n, v), o in zip(self._states.items(), self._next_states._inputs, strict=True)
        )

    @property
    def outputs(self) -> tuple[Value, ...]:
        return self._outputs.inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self._labels)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Name and role of each output."""
        return tuple(self._labels)

    @property
    def parameters(self) -> tuple[Value, ...]:
        """All values that no node makes: inputs, then scalars, then state inputs."""
        return (*self._inputs, *self._scalars.values(), *self._states.values())

    @property
    def results(self) -> tuple[Value, ...]:
        """Outputs, then the new value of each state."""
        return (*self._outputs._inputs, *self._next_states._inputs)

    @property
    def nodes(self) -> Iterator[Node]:
        """Nodes in order; any node may be added or erased while iterating.

        Nodes added after the current one are visited, those before it are not.
        """
        node = self._first
        while node is not None:
            yield node
            node = node._next
            while node is not None and not node._attached:
                node = node._next

    @property
    def reversed_nodes(self) -> Iterator[Node]:
        """Nodes from last to first; any node may be erased while iterating.

        Nodes added just before the current one are not visited.
        """
        node = self._last
        while node is not None:
            previous = node._prev
            yield node
            node = previous
            while node is not None and not node._attached:
                node = node._prev

    def __len__(self) -> int:
        """The number of nodes."""
        return self._size

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {self._size} nodes>"  # print_graph gives all of it

    # -- how it grows ----------------------------------------------------------------------
    def add_input(self, type: TensorType, name: str = "") -> Value:
        value = Value(self, type, None, len(self._inputs), name)
        self._inputs.append(value)
        return value

    def add_scalar(self, name: str, type: TensorType) -> Value:
        """A host number that each call supplies (rank 0).

        Raises:
            ValueError: if the name is taken or the type has axes.
        """
        if name in self._scalars or type.rank:
            raise ValueError(f"scalar {name!r}: {'is taken' if name in self._scalars else type}")
        value = self._scalars[name] = Value(self, type, None, len(self._scalars), name)
        return value

    def add_state(self, name: str, type: TensorType) -> Value:
        """A tensor kept from call to call; unchanged until ``set_state`` says otherwise.

        Raises:
            ValueError: if the name is taken.
        """
        if name in self._states:
            raise ValueError(f"the graph has a state {name!r} already")
        value = self._states[name] = Value(self, type, None, len(self._states), name)
        self._next_states.grow(value)
        return value

    def set_state(self, name: str, value: Value) -> None:
        """What state ``name`` is after a call.

        Raises:
            KeyError: if there is no such state.
            TypeMismatch: if the value has another type.
        """
        current = self._states[name]
        if value.type != current.type:
            raise TypeMismatch(f"state {name!r} is {current.type}; it cannot become {value.type}")
        self._next_states.replace_input(current.index, value)

    def add_output(
        self, value: Value, name: str = "", role: Role = Role.RESULT, of: str = ""
    ) -> None:
        """Each call gives ``value`` back; ``of`` names the argument or tensor it belongs to."""
        self._outputs.grow(value)
        self._labels.append(Label(name, role, of))

    def drop_output(self, position: int) -> None:
        """Removes an output; the others keep their order."""
        kept = [v for i, v in enumerate(self._outputs._inputs) if i != position]
        self._outputs._release()
        self._outputs = _Results(self, kept)
        del self._labels[position]

    def rename_states(self, names: Mapping[str, str]) -> None:
        """Gives states other names, where ``names`` has one.

        Raises:
            ValueError: if two would have the same.
        """
        renamed = {names.get(name, name): value for name, value in self._states.items()}
        if len(renamed) != len(self._states):
            raise ValueError(f"two states would have one name: {sorted(names.values())}")
        self._states = renamed

    def drop_state(self, name: str) -> None:
        """Removes an unread state that no call changes.

        Raises:
            ValueError: if a node or result still reads it.
        """
        value = self._states[name]
        position = value.index
        changed = self._next_states._inputs[position] is not value
        if changed or set(value._uses) - {(self._next_states, position)}:
            raise ValueError(f"state {name!r} is read or changed: it cannot be dropped")
        del self._states[name]
        kept = [v for i, v in enumerate(self._next_states._inputs) if i != position]
        self._next_states._release()
        self._next_states = _Results(self, kept)
        for index, left in enumerate(self._states.values()):
            left.index = index

    def add_node(
        self, op: Op, inputs: Sequence[Value], origin: Origin = NOWHERE, before: Node | None = None
    ) -> Node:
        """Appends a node, or inserts it before another one; its types are inferred.

        Raises:
            TypeMismatch: from the operator, if the operands do not fit.
        """
        node = Node(self, op, inputs, op.infer(*(v.type for v in inputs)), origin)
        self._link(node, before)
        return node

    def _link(self, node: Node, before: Node | None) -> None:
        after = self._last if before is None else before._prev
        node._prev, node._next = after, before
        if after is None:
            self._first = node
        else:
            after._next = node
        if before is None:
            self._last = node
        else:
            before._prev = node
        node._attached = True
        self._size += 1

    # -- how it shrinks --------------------------------------------------------------------
    def erase(self, node: Node) -> None:
        """Removes a node that nobody reads.

        Raises:
            ValueError: if an output is still used.
        """
        for out in node.outputs:
            if out.is_used:
                raise ValueError(f"{node!r} is still read by {out.uses[0][0]!r}")
        node._release()
        self._unlink(node)

    def move_before(self, node: Node, anchor: Node) -> None:
        """Moves a node; the caller keeps the order topological (the verifier checks)."""
        self._unlink(node)
        self._link(node, anchor)

    def _unlink(self, node: Node) -> None:
        before, after = node._prev, node._next
        if before is None:
            self._first = after
        else:
            before._next = after
        if after is None:
            self._last = before
        else:
            after._prev = before
        node._attached = False
        self._size -= 1

    # -- copies -------------------------------------------------------------------
    def copy_into(
        self, copy: Callable[[Node, Sequence[Value]], tuple[Value, ...]], arguments: Sequence[Value]
    ) -> tuple[Value, ...]:
        """Copies this graph's nodes elsewhere, in order.

        Args:
            copy: makes the copy of a node that reads the given values, as ``Builder.copy`` does.
            arguments: what stands for each of ``parameters``.

        Returns:
            What stands for each of ``results``.
        """
        table: dict[Value, Value] = dict(zip(self.parameters, arguments, strict=True))
        for node in self.nodes:
            outs = copy(node, [table[v] for v in node._inputs])
            for old, new in zip(node.outputs, outs, strict=True):
                new.hint = old.hint
                table[old] = new
        return tuple(table[v] for v in self.results)

    def clone(self) -> Graph:
        """An independent copy."""
        twin = Graph(self.name)
        arguments = [twin.add_input(v.type, v.hint) for v in self._inputs]
        arguments += [twin.add_scalar(n, v.type) for n, v in self._scalars.items()]
        arguments += [twin.add_state(n, v.type) for n, v in self._states.items()]
        results = self.copy_into(twin._add_copy, arguments)
        count = len(self._labels)
        for value, label in zip(results[:count], self._labels, strict=True):
            twin.add_output(value, label.name, label.role, label.of)
        for name, value in zip(self._states, results[count:], strict=True):
            twin.set_state(name, value)
        return twin

    def _add_copy(self, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Appends a node like ``node``; on inputs of the same types nothing is inferred anew."""
        twin = Node(self, node.op, inputs, [v.type for v in node.outputs], node.origin)
        self._link(twin, None)
        return twin.outputs


def _check_owner(graph: Graph, value: Value) -> None:
    if value.graph is not graph:
        raise ValueError(f"{value!r} belongs to another graph ({value.graph.name!r})")

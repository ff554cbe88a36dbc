from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nngraph.ir.equality import difference
from nngraph.ir.graph import Graph
from nngraph.ir.names import UniqueNames
from nngraph.ir.parser import TextError, parse_graph
from nngraph.ir.roles import Role
from nngraph.ir.signature import (
    OutputPort,
    Port,
    Signature,
    SignatureError,
    StatePort,
    signature_of,
)
from nngraph.ir.text import print_graph
from nngraph.ir.types import parse_type, tensor_type
from tests.support.toy import F32, REGISTRY, Neg


def example() -> Graph:
    """Every kind of parameter and every role; ``x`` and ``lr`` name two things each."""
    graph = Graph("step")
    x = graph.add_input(tensor_type("f32", ("n", 2)), "x")
    graph.add_input(F32)
    graph.add_scalar("lr", tensor_type("f32"))
    weight = graph.add_state("x", F32)
    graph.add_state("head.bias", F32)
    new = graph.add_node(Neg(), [weight]).output
    graph.set_state("x", new)
    graph.add_output(new, "lr")
    graph.add_output(new)
    graph.add_output(x, "x_after", Role.ARGUMENT, "x")
    graph.add_output(new, "grad_0", Role.GRADIENT, "a weight")
    graph.add_output(x, "x_grad", Role.ARGUMENT_GRADIENT, "x")
    graph.add_output(x, "g", Role.GRADIENT)
    return graph


def test_names_are_unique_and_every_part_has_its_role() -> None:
    found = signature_of(example())
    batch = tensor_type("f32", ("n", 2))
    assert found == Signature(
        (Port("x", batch), Port("input_1", F32)),
        (Port("lr", tensor_type("f32")),),
        (StatePort("x", F32, "x_1", "x.next"), StatePort("head.bias", F32, "head.bias", None)),
        (
            OutputPort("lr_1", F32),
            OutputPort("output_1", F32),
            OutputPort("x_after", batch, Role.ARGUMENT, "x"),
            OutputPort("grad_0", F32, Role.GRADIENT, "a weight"),
            OutputPort("x_grad", batch, Role.ARGUMENT_GRADIENT, "x"),
            OutputPort("g", batch, Role.GRADIENT),
        ),
    )
    assert found.changed == (0,)
    assert [o.name for o in found.with_role(Role.GRADIENT)] == ["grad_0", "g"]


def test_copies_and_texts_keep_the_signature() -> None:
    graph = example()
    text = print_graph(graph)
    assert 'output %1 as grad_0 (gradient "a weight")\n' in text
    assert "output %x as g (gradient)\n" in text
    for twin in (graph.clone(), parse_graph(text, REGISTRY)):
        assert signature_of(twin) == signature_of(graph)
        assert difference(graph, twin) is None and print_graph(twin) == text


def test_another_role_is_another_graph() -> None:
    a, b = example(), example()
    a.add_output(a.inputs[0], "z")
    b.add_output(b.inputs[0], "z", Role.ARGUMENT, "x")
    assert difference(a, b) == (
        "interface: output z: f32[n,2] against output (argument x) z: f32[n,2]"
    )


def test_passes_may_find_that_a_state_stays_as_it_is() -> None:
    traced, still = example(), example()
    still.set_state("x", still.states[0].input)
    assert signature_of(traced).serves(signature_of(traced))
    assert signature_of(still).serves(signature_of(traced))
    assert not signature_of(traced).serves(signature_of(still))
    for change in (
        lambda g: g.add_input(F32, "y"),
        lambda g: g.add_scalar("z", tensor_type("f32")),
        lambda g: g.add_state("s", F32),
        lambda g: g.add_output(g.inputs[0], "again"),
    ):
        other = example()
        change(other)
        assert not signature_of(other).serves(signature_of(traced))
        assert not signature_of(traced).serves(signature_of(other))


@pytest.mark.parametrize("role", ["(result", "(loss)", "()"])
def test_a_role_that_is_none_is_refused(role: str) -> None:
    text = f"graph g {{\n  input %x: f32[2]\n  output %x {role}\n}}"
    with pytest.raises(TextError, match="line"):
        parse_graph(text, REGISTRY)


def test_arguments_are_arrays_in_the_order_of_parameters() -> None:
    x, y, w, b = (np.zeros(s, np.float32) for s in ((5, 2), 2, 2, 2))
    arguments = signature_of(example()).arguments([x, y], [0.5], [w, b])
    assert arguments[0] is x and arguments[3] is w
    assert arguments[2].dtype == np.float32 and arguments[2] == 0.5
    assert signature_of(example()).sizes([x, y]) == {"n": 5}
    with pytest.raises(ValueError, match="argument 2"):
        signature_of(example()).arguments([x, y], [], [w, b])


def test_json_round_trip() -> None:
    found = signature_of(example())
    assert Signature.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert Signature.from_json(Signature().to_json()) == Signature()


def damaged(change: Any) -> object:
    data = signature_of(example()).to_json()
    change(data)
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "list of 'inputs'"),
        (damaged(lambda d: d.pop("states")), "list of 'states'"),
        (damaged(lambda d: d["scalars"].append(3)), r"scalars\[1\]"),
        (damaged(lambda d: d["inputs"][1].update(type="f33[2]")), r"inputs\[1\].*f33\[2\]"),
        (damaged(lambda d: d["inputs"][0].update(name=3)), r"inputs\[0\].*'name' is 3"),
        (damaged(lambda d: d["states"][1].pop("output")), r"states\[1\].*output"),
        (damaged(lambda d: d["outputs"][0].update(role="loss")), r"outputs\[0\].*loss"),
    ],
)
def test_damaged_json_is_refused(data: object, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Signature.from_json(data)


def test_types_are_read_back_from_their_text() -> None:
    for kind in (F32, tensor_type("bf16"), tensor_type("i64", ("(n+1)//2*3", 0, "m"))):
        assert parse_type(str(kind)) == kind
    for text in ("f32", "f32[2", "[2]", "f32[2,]", "f32[a b]", "float[2]"):
        with pytest.raises(ValueError, match=r"type|dimension"):
            parse_type(text)


def test_a_name_that_looks_numbered_is_no_trap() -> None:
    names = UniqueNames()
    assert [names.fresh(n) for n in ("a", "a_1", "a", "a", "a_1")] == [
        "a",
        "a_1",
        "a_2",
        "a_3",
        "a_1_1",
    ]

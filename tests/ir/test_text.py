from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest

from nngraph.ir.attributes import Subgraph, op_key
from nngraph.ir.dims import as_dim
from nngraph.ir.dtypes import DTYPES, bfloat16
from nngraph.ir.equality import difference
from nngraph.ir.graph import Graph
from nngraph.ir.literal import Literal
from nngraph.ir.origin import Origin
from nngraph.ir.parser import TextError, parse_graph
from nngraph.ir.text import print_attribute, print_graph
from nngraph.ir.types import tensor_type
from tests.support.toy import F32, REGISTRY, Add, Halves, Neg, body, chain, tagged


def again(graph: Graph) -> Graph:
    """The graph after a round trip, which must change nothing."""
    text = print_graph(graph)
    parsed = parse_graph(text, REGISTRY)
    assert print_graph(parsed) == text
    assert difference(graph, parsed) is None
    return parsed


def example() -> Graph:
    graph = Graph("train_step")
    x = graph.add_input(tensor_type("f32", ("batch", 4)), "x")
    graph.add_scalar("lr", tensor_type("f32"))
    weight = graph.add_state("fc.weight", F32)
    graph.add_state("steps", tensor_type("i64"))
    low, high = graph.add_node(Halves(), [weight], Origin("fc", "a/train.py", 14)).outputs
    low.hint = high.hint = "half"
    new = graph.add_node(Neg(), [weight], Origin("fc", "train.py", 15, ("grad",))).output
    graph.set_state("fc.weight", new)
    graph.add_output(graph.add_node(Add(), [x, x]).output, "loss")
    graph.add_output(low)
    return graph


def test_text_of_a_graph() -> None:
    assert (
        print_graph(example())
        == """\
graph train_step {
  input %x: f32[batch,4]
  scalar %lr: f32[]
  state %fc.weight: f32[2] -> %0
  state %steps: i64[]
  %half: f32[1], %half.1: f32[1] = halves(%fc.weight)  # fc @ train.py:14
  %0: f32[2] = neg(%fc.weight)  # fc @ train.py:15 · grad
  %1: f32[batch,4] = add(%x, %x)
  output %1 as loss
  output %half
}"""
    )


def test_round_trip_keeps_origins_and_hints() -> None:
    parsed = again(example())
    first, second, _ = parsed.nodes
    assert first.origin == Origin("fc", "train.py", 14)
    assert second.origin.transforms == ("grad",)
    assert [v.hint for v in first.outputs] == ["half", "half.1"]


def test_text_without_names_is_the_same_for_equal_computations() -> None:
    a, b = example(), example()
    b.name = "other"
    for node in b.nodes:
        node.outputs[0].hint = "renamed"
    assert print_graph(a, origins=False) != print_graph(b, origins=False)
    assert print_graph(a, False, names=False) == print_graph(b, False, names=False)


ATTRIBUTES = [
    0,
    -7,
    10**30,
    True,
    False,
    None,
    0.0,
    -0.0,
    1.0,
    1e-05,
    0.1,
    5e-324,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    -float("nan"),
    struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0],
    "",
    "plain",
    'quotes " and \\ and # and }',
    "line\nbreak\ttab",
    "grüße ✓ \u2028",
    "f32",
    "none",
    *DTYPES,
    as_dim("batch"),
    as_dim("batch*64"),
    as_dim("(h+2-3)//2+1"),
    as_dim("3*((h+1)//2)*w"),
    as_dim("0-((h+1)//2)"),
    (),
    (1,),
    (1, 2),
    ((0, 1), (2, (3.5, "x", None, (True,)))),
    (as_dim("n"), 4),
    body(),
    (body(), 1),
]


@pytest.mark.parametrize("value", ATTRIBUTES, ids=lambda v: print_attribute(v)[:40])
def test_attribute_round_trips_exactly(value: object) -> None:
    (node,) = again(tagged(value, other=(value,))).nodes
    (first,) = tagged(value, other=(value,)).nodes
    assert op_key(node.op) == op_key(first.op)


ARRAYS = [
    *(np.arange(6).astype(d.numpy).reshape(2, 3) for d in DTYPES),
    *(np.arange(60).astype(d.numpy) for d in DTYPES),
    np.float32(1.5),
    np.zeros((0, 3), np.int8),
    np.array([np.nan, np.inf, -np.inf, -0.0]),
    np.array([0x7FC00001, 0xFFC00000, 0x7F800001], np.uint32).view(np.float32),
    np.array([255, 0], np.uint8),
    np.array([2**64 - 1], np.uint64),
    np.array([0.1, 65504], np.float16),
    np.array([3.14], ml_dtypes.bfloat16),
    np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    np.array([1, 2], ">i4").astype("<i4"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_arrays_round_trip_bit_by_bit(array: np.ndarray) -> None:
    value = Literal(np.asarray(array))
    (node,) = again(tagged(value)).nodes
    found = node.op.tag.array
    assert (found.dtype, found.shape) == (value.array.dtype, value.array.shape)
    assert found.tobytes() == value.array.tobytes()


def test_small_arrays_are_legible() -> None:
    assert print_attribute(Literal(np.array([1.5, -0.0], np.float32))) == "f32[2][1.5,-0.0]"
    assert print_attribute(Literal(np.array(3))) == "i64[][3]"
    assert print_attribute(Literal(np.zeros(17, np.uint8))) == 'u8[17]"AAAAAAAAAAAAAAAAAAAAAAA="'


def test_nested_graphs_are_indented() -> None:
    assert (
        print_graph(tagged(body(), other=1))
        == """\
graph g {
  input %x: f32[2]
  %0: f32[2] = tagged(%x) {tag=graph body {
    input %carry: f32[2]
    %0: f32[2] = neg(%carry)
    output %0
  }, other=1}
  output %0 as y
}"""
    )


def test_subgraphs_are_equal_by_what_they_compute() -> None:
    a, b = body(), body()
    next(iter(b.graph.nodes)).output.hint = "named"
    b.graph.name = "elsewhere"
    assert a == b and hash(a) == hash(b)
    twice = Graph()
    x = twice.add_input(F32)
    once = twice.add_node(Neg(), [x]).output
    twice.add_output(twice.add_node(Neg(), [once]).output)
    assert a != Subgraph(twice)


NAMES = [
    "x",
    "a.b.0",
    "3",
    "0.weight",
    "1_a",
    "3.",
    ".5",
    "two words",
    'quo"te',
    "inf",
    "nan",
    "as",
    "input",
    "é",
    "%x",
    "x.1",
    "new\nline",
    "graph",
]


def test_any_name_round_trips() -> None:
    graph = Graph("two words")
    for name in NAMES:
        value = graph.add_input(F32, name)
        graph.add_scalar(name, tensor_type("f32"))
        graph.add_state(name, F32)
        out = graph.add_node(Neg(), [value]).output
        out.hint = name
        graph.set_state(name, out)
        graph.add_output(out, name)
    parsed = again(graph)
    assert parsed.name == "two words"
    assert [v.hint for v in parsed.inputs] == NAMES
    assert list(parsed.scalars) == [s.name for s in parsed.states] == NAMES
    assert list(parsed.output_names) == NAMES


def test_names_made_unique_collide_with_nothing() -> None:
    graph = Graph()
    value = graph.add_input(F32, "x.1")
    for hint in ("x", "x", "x", "x.1", ""):
        value = graph.add_node(Neg(), [value]).output
        value.hint = hint
    graph.add_output(value)
    again(again(graph))
    labels = [line.split(":")[0].strip() for line in print_graph(graph).splitlines()[2:7]]
    assert labels == ["%x", "%x.2", "%x.3", "%x.1.1", "%0"]


def test_unnamed_state_value_round_trips() -> None:
    graph = Graph()
    graph.add_state("w", F32).hint = ""
    assert "state %0 as w: f32[2]" in print_graph(graph)
    again(graph)


def test_symbolic_shapes_round_trip() -> None:
    graph = Graph()
    graph.add_input(tensor_type("bf16", ("(h-1)//2+1", "batch*64", "3*((h-1)//2)*w")), "x")
    parsed = again(graph)
    assert parsed.inputs[0].type.dtype is bfloat16


def test_large_graph_round_trips() -> None:
    again(chain(500))


GOOD = "graph g {\n  input %x: f32[2]\n  %y: f32[2] = neg(%x)\n  output %y\n}"


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "problem"),
    [
        ("graph g {", "grph g {", 1, 1, "expected `graph NAME {`, found 'grph'"),
        ("graph g {", "graph {", 1, 7, "expected a name, found '{'"),
        ("f32[2]\n", "f33[2]\n", 2, 13, "expected a type such as f32[8,10], found 'f33'"),
        ("f32[2]\n", "f32[2+]\n", 2, 13, "'2+' is not a dimension"),
        ("f32[2]\n", "f32[n//0]\n", 2, 13, "'n//0' is not a dimension"),
        ("f32[2]\n", "f32[f(n)]\n", 2, 13, "'f(n)' is not a dimension"),
        ("%y: f32[2]", "%x: f32[2]", 3, 3, "%x is defined twice"),
        ("%y: f32[2]", "%y: f32[3]", 3, 3, "neg makes f32[2], not f32[3]"),
        ("%y: f32[2]", "%y: f32[2], %z: f32[2]", 3, 3, "neg makes f32[2], not f32[2], f32[2]"),
        ("neg(", "nog(", 3, 16, "there is no operator 'nog'"),
        ("neg(%x)", "neg(%z)", 3, 20, "%z is not defined before it is used"),
        ("neg(%x)", "neg(%x, %x)", 3, 16, "neg refuses: "),
        ("neg(%x)", "neg(%x %x)", 3, 23, "expected `,` or `)`, found '%x'"),
        ("neg(%x)", "neg(%x) {axis=1}", 3, 25, "neg has no (other) attribute axis; it has none"),
        ("neg(%x)", "tagged(%x)", 3, 16, "tagged refuses: "),
        ("neg(%x)", "tagged(%x) {tag=1, tag=1}", 3, 35, "no (other) attribute tag"),
        ("neg(%x)", "tagged(%x) {tag}", 3, 31, "expected `=`, found '}'"),
        ("neg(%x)", "tagged(%x) {tag=plain}", 3, 32, "'plain' is no attribute value; texts go in"),
        ("neg(%x)", "tagged(%x) {tag=)}", 3, 32, "expected an attribute's value, found ')'"),
        ("neg(%x)", 'tagged(%x) {tag="a\\x"}', 3, 32, "bad text"),
        ("neg(%x)", 'tagged(%x) {tag="a}', 3, 32, "unexpected character '\"'"),
        ("neg(%x)", 'tagged(%x) {tag=f32[2]"AAAA"}', 3, 38, "f32[2] has 8 bytes, found 3"),
        ("neg(%x)", 'tagged(%x) {tag=f32[2]"?"}', 3, 38, "bad base64"),
        ("neg(%x)", "tagged(%x) {tag=f32[2][1.0]}", 3, 32, "has 2 elements, found 1"),
        ("neg(%x)", "tagged(%x) {tag=f32[1][1]}", 3, 32, "holds numbers of the kind float"),
        ("neg(%x)", "tagged(%x) {tag=u8[1][256]}", 3, 32, "holds numbers of the kind int"),
        ("neg(%x)", "tagged(%x) {tag=f32[n][1.0]}", 3, 32, "an array has no symbolic dimension"),
        ("neg(%x)", "tagged(%x) {tag=" + "(" * 200, 3, 132, "nested more than 100 deep"),
        ("neg(%x)", "neg(%x)  # a @ b", 3, 25, "not an origin"),
        ("  output %y", "  output %z", 4, 10, "%z is not defined before it is used"),
        ("  output", "  outputs", 4, 3, "expected a node"),
        ("\n}", "", 4, 12, "found the end of the text"),
        ("\n}", "\n}\ngraph", 6, 1, "expected the end of the text, found 'graph'"),
        ("input %x: f32[2]", "scalar %x: f32[2]", 2, 10, "scalar 'x'"),
        ("input %x: f32[2]", "state %x: f32[2] -> %q", 2, 23, "%q is not defined"),
        ("input %x: f32[2]\n", "state %x: f32[2] -> %q\n input %q: f32[3]\n", 2, 23, "cannot"),
    ],
)
def test_errors_name_line_column_and_what_was_expected(
    old: str, new: str, line: int, column: int, problem: str
) -> None:
    assert GOOD.count(old) == 1 and parse_graph(GOOD, REGISTRY)
    with pytest.raises(TextError) as caught:
        parse_graph(GOOD.replace(old, new), REGISTRY)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_every_truncation_is_refused_cleanly() -> None:
    text = print_graph(tagged((1, body(), "x"), Literal(np.arange(3.0))))
    for end in range(len(text)):
        with pytest.raises(TextError):
            parse_graph(text[:end], REGISTRY)


def test_comments_and_layout_are_free() -> None:
    text = GOOD.replace("\n", " # note\n\n# more\n").replace("(%x)", "(\n%x,\n)")
    assert "refuses" not in text
    assert difference(parse_graph(text, REGISTRY), parse_graph(GOOD, REGISTRY)) is None


def test_unknown_kinds_of_attributes_are_refused() -> None:
    for value in (np.int64(1), [1], 1j, object(), (1, {2})):
        with pytest.raises(TypeError, match="cannot be an operator attribute"):
            print_attribute(value)


def test_str_of_a_graph_is_its_text_and_repr_is_one_line() -> None:
    graph = chain(3)
    assert str(graph) == f"{graph}" == print_graph(graph)
    assert repr(graph) == "<Graph chain: 3 nodes>"

"""What is grouped and what is not, by the kinds and operators of the groups."""

from __future__ import annotations

import numpy as np
import pytest

from nngraph.backends.tvm.fuse.kernels import FuseKernels, Limits
from nngraph.backends.tvm.fuse.kinds import kind_of
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY, Fused
from nngraph.passes.base import Context


def fuse(body: str, limits: Limits | None = None) -> Graph:
    graph = parse_graph(f"graph g {{\n{body}\n}}", REGISTRY)
    before = graph.clone()
    FuseKernels(limits or Limits()).run(graph, Context())
    verify(graph)
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(v.type.static_shape).astype(v.type.dtype.numpy)
        for v in graph.parameters
    ]
    for got, want in zip(evaluate(graph, arrays), evaluate(before, arrays), strict=True):
        np.testing.assert_array_equal(got, want)
    return graph


def groups(graph: Graph) -> list[str]:
    """One line a node: the operators of a fused node, or the operator."""
    lines = []
    for node in graph.nodes:
        if isinstance(node.op, Fused):
            nodes = list(node.op.body.graph.nodes)
            inside = " ".join(n.op.name for n in nodes)
            lines.append(f"{kind_of(nodes).name.lower()}: {inside}")
        else:
            lines.append(node.op.name)
    return lines


CASES: dict[str, tuple[str, list[str]]] = {
    "a chain with several readers is one kernel": (
        """
      input %x: f32[8]
      %a: f32[8] = exp(%x)
      %b: f32[8] = mul(%a, %x)
      %c: f32[8] = add(%a, %b)
      output %c""",
        ["loop: exp mul add"],
    ),
    "fills, counters and broadcasts are copied into each group": (
        """
      input %x: f32[4,5]
      %k: f32[] = full() {value=2.0, dtype=f32, shape=()}
      %i: f32[4,5] = iota() {dtype=f32, shape=(4, 5), axis=1}
      %a: f32[4,5] = mul(%x, %k)
      %t: f32[5,4] = transpose(%a) {perm=(1, 0)}
      %b: f32[5,4] = mul(%t, %k)
      %c: f32[4,5] = add(%a, %i)
      output %b
      output %c""",
        ["loop: full iota mul add", "transpose", "loop: full mul"],
    ),
    "what would walk one axis along two others is read from memory": (
        """
      input %x: f32[5]
      %e: f32[5] = exp(%x)
      %i: i32[5] = iota() {dtype=i32, shape=(5,), axis=0}
      %a: f32[5,1] = reshape(%e) {shape=(5, 1)}
      %b: f32[1,5] = reshape(%e) {shape=(1, 5)}
      %j: i32[5,1] = reshape(%i) {shape=(5, 1)}
      %k: i32[1,5] = reshape(%i) {shape=(1, 5)}
      %c: bool[5,5] = le(%j, %k)
      %p: f32[5,5] = mul(%a, %b)
      %y: f32[5,5] = where(%c, %p, %x)
      output %y""",
        ["loop: exp", "iota", "reshape", "reshape", "loop: iota reshape reshape le mul where"],
    ),
    "softmax is one row kernel": (
        """
      input %x: f32[4,5]
      %m: f32[4,1] = max(%x) {axes=(1,), keepdims=true}
      %d: f32[4,5] = sub(%x, %m)
      %e: f32[4,5] = exp(%d)
      %s: f32[4,1] = sum(%e) {axes=(1,), keepdims=true}
      %y: f32[4,5] = div(%e, %s)
      output %y""",
        ["row: max sub exp sum div"],
    ),
    "reductions over different axes are different kernels": (
        """
      input %x: f32[4,5]
      %e: f32[4,5] = exp(%x)
      %a: f32[4] = sum(%e) {axes=(1,), keepdims=false}
      %b: f32[5] = sum(%e) {axes=(0,), keepdims=false}
      output %a
      output %b""",
        ["row: exp sum", "row: sum"],
    ),
    "neighbours over the same space that read one tensor are one kernel": (
        """
      input %x: f32[4,5]
      input %y: f32[4,5]
      %p: f32[4,5] = mul(%x, %y)
      %a: f32[5] = sum(%x) {axes=(0,), keepdims=false}
      %b: f32[5] = sum(%p) {axes=(0,), keepdims=false}
      output %a
      output %b""",
        ["row: mul sum sum"],
    ),
    "bias, activation and residual follow a product": (
        """
      input %x: f32[4,6]
      input %w: f32[6,5]
      input %b: f32[5]
      input %r: f32[4,5]
      %m: f32[4,5] = matmul(%x, %w) {transpose_a=false, transpose_b=false}
      %a: f32[4,5] = add(%m, %b)
      %y: f32[4,5] = relu(%a)
      %z: f32[4,5] = add(%y, %r)
      output %z""",
        ["product: matmul add relu add"],
    ),
    "what feeds a product stays outside": (
        """
      input %x: f32[4,6]
      input %w: f32[6,5]
      %a: f32[4,6] = relu(%x)
      %m: f32[4,5] = matmul(%a, %w) {transpose_a=false, transpose_b=false}
      output %m""",
        ["loop: relu", "matmul"],
    ),
    "a reduction of a product is no epilogue": (
        """
      input %x: f32[4,6]
      input %w: f32[6,5]
      %m: f32[4,5] = matmul(%x, %w) {transpose_a=false, transpose_b=false}
      %s: f32[4] = sum(%m) {axes=(1,), keepdims=false}
      output %s""",
        ["matmul", "row: sum"],
    ),
    "a path through another kernel keeps its ends apart": (
        """
      input %x: f32[4,4]
      %a: f32[4,4] = exp(%x)
      %m: f32[4,4] = matmul(%a, %a) {transpose_a=false, transpose_b=false}
      %t: f32[4,4] = transpose(%m) {perm=(1, 0)}
      %y: f32[4,4] = mul(%a, %t)
      output %y""",
        ["loop: exp", "matmul", "transpose", "loop: mul"],
    ),
    "costly functions of a smaller tensor are not repeated for each row": (
        """
      input %x: f32[4,5]
      input %w: f32[5]
      %e: f32[5] = exp(%w)
      %y: f32[4,5] = mul(%x, %e)
      output %y""",
        ["loop: exp", "loop: mul"],
    ),
    "nor are divisions and roots": (
        """
      input %x: f32[4,5]
      input %w: f32[5]
      %e: f32[5] = sqrt(%w)
      %d: f32[5] = div(%w, %e)
      %y: f32[4,5] = mul(%x, %d)
      output %y""",
        ["loop: sqrt div", "loop: mul"],
    ),
    "what is cheap is": (
        """
      input %x: f32[4,5]
      input %w: f32[5]
      %e: f32[5] = neg(%w)
      %y: f32[4,5] = mul(%x, %e)
      output %y""",
        ["loop: neg mul"],
    ),
    "parts are read where they are": (
        """
      input %x: f32[4,6]
      %a: f32[4,3] = slice(%x) {starts=(0, 0), sizes=(4, 3), steps=(1, 1)}
      %b: f32[4,3] = slice(%x) {starts=(0, 3), sizes=(4, 3), steps=(1, 1)}
      %e: f32[4,3] = exp(%b)
      %y: f32[4,3] = mul(%a, %e)
      output %y""",
        ["loop: slice slice exp mul"],
    ),
    "but not of what the kernel would make": (
        """
      input %x: f32[4,6]
      %e: f32[4,6] = exp(%x)
      %a: f32[4,3] = slice(%e) {starts=(0, 0), sizes=(4, 3), steps=(1, 1)}
      %y: f32[4,3] = neg(%a)
      %z: f32[4,6] = neg(%e)
      output %y
      output %z""",
        ["loop: exp neg", "loop: slice neg"],
    ),
    "nor what another kind of kernel reads, or what a divisor may be made of": (
        """
      input %x: f32[4,6]
      input %w: f32[3,5]
      input %n: i64[6]
      %a: f32[4,3] = slice(%x) {starts=(0, 0), sizes=(4, 3), steps=(1, 1)}
      %p: f32[4,5] = matmul(%a, %w) {transpose_a=false, transpose_b=false}
      %q: f32[4,5] = relu(%p)
      %d: i64[3] = slice(%n) {starts=(1,), sizes=(3,), steps=(1,)}
      %r: i64[3] = neg(%d)
      %t: f32[4,3] = slice(%x) {starts=(0, 0), sizes=(4, 3), steps=(1, 2)}
      %u: f32[4,3] = neg(%t)
      output %q
      output %r
      output %u""",
        ["slice", "product: matmul relu", "slice", "loop: neg", "slice", "loop: neg"],
    ),
    "a part that is a result, too, is made for that": (
        """
      input %x: f32[6]
      %a: f32[3] = slice(%x) {starts=(3,), sizes=(3,), steps=(1,)}
      %y: f32[3] = neg(%a)
      output %a
      output %y""",
        ["slice", "loop: slice neg"],
    ),
    "a product goes on with parts": (
        """
      input %x: f32[4,6]
      input %w: f32[6,5]
      input %b: f32[4,9]
      %m: f32[4,5] = matmul(%x, %w) {transpose_a=false, transpose_b=false}
      %c: f32[4,5] = slice(%b) {starts=(0, 2), sizes=(4, 5), steps=(1, 1)}
      %y: f32[4,5] = add(%m, %c)
      output %y""",
        ["product: matmul slice add"],
    ),
    "what a kernel joins it stores in place": (
        """
      input %x: f32[4,3]
      %a: f32[4,3] = exp(%x)
      %b: f32[4,3] = neg(%a)
      %y: f32[4,6] = concat(%a, %b) {axis=1}
      %z: f32[4,6] = neg(%y)
      output %y
      output %z""",
        ["loop: exp neg concat", "loop: neg"],
    ),
    "joining alone is no kernel of elements, nor is that of different sizes": (
        """
      input %x: f32[4,3]
      input %w: f32[4,2]
      input %v: f32[4,3]
      %y: f32[4,6] = concat(%v, %v) {axis=1}
      %e: f32[4,3] = exp(%x)
      %z: f32[4,5] = concat(%e, %w) {axis=1}
      output %y
      output %z""",
        ["concat", "loop: exp", "concat"],
    ),
    "a reduction reads parts and joins what a row has": (
        """
      input %x: f32[4,6]
      %a: f32[4,3] = slice(%x) {starts=(0, 3), sizes=(4, 3), steps=(1, 1)}
      %s: f32[4,1] = sum(%a) {axes=(1,), keepdims=true}
      %m: f32[4,1] = max(%a) {axes=(1,), keepdims=true, shares_nan=false}
      %y: f32[4,2] = concat(%s, %m) {axis=1}
      output %y""",
        ["row: slice sum max concat"],
    ),
    "an update of two states is one kernel": (
        """
      scalar %lr: f32[]
      state %p: f32[8] -> %q
      state %m: f32[8] -> %n
      input %g: f32[8]
      %n: f32[8] = add(%m, %g)
      %s: f32[8] = mul(%n, %lr)
      %q: f32[8] = sub(%p, %s)
      output %g""",
        ["loop: add mul sub"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_groups(name: str) -> None:
    body, wanted = CASES[name]
    assert groups(fuse(body)) == wanted


def test_is_deterministic() -> None:
    body = CASES["neighbours over the same space that read one tensor are one kernel"][0]
    assert print_graph(fuse(body)) == print_graph(fuse(body))


def test_a_group_stops_at_its_limit() -> None:
    body = CASES["a chain with several readers is one kernel"][0]
    assert groups(fuse(body, Limits(nodes=2))) == ["loop: exp", "loop: mul add"]


def test_one_long_row_does_not_continue_on_one_thread() -> None:
    body = """
      input %x: f32[100000]
      %q: f32[100000] = mul(%x, %x)
      %s: f32[1] = sum(%q) {axes=(0,), keepdims=true}
      %y: f32[100000] = div(%x, %s)
      output %y"""
    assert groups(fuse(body)) == ["row: mul sum", "loop: div"]


def test_fused_text() -> None:
    graph = fuse("""
      input %x: f32[2,3]
      %s: f32[2,1] = sum(%x) {axes=(1,), keepdims=true}
      %y: f32[2,3] = sub(%x, %s)
      output %y""")
    assert (
        print_graph(graph, origins=False)
        == """\
graph g {
  input %x: f32[2,3]
  %y: f32[2,3] = fused(%x) {body=graph group {
    input %0: f32[2,3]
    %1: f32[2,1] = sum(%0) {axes=(1,), keepdims=true}
    %2: f32[2,3] = sub(%0, %1)
    output %2
  }}
  output %y
}"""
    )


def test_a_product_of_a_fill_takes_no_epilogue():
    """Its kernel reads operands from memory; a fill inside the group would have no buffer."""
    graph = fuse("""
        input %w: f32[4,3]
        %a: f32[6,4] = full() {value=1.0, dtype=f32, shape=(6, 4)}
        %b: f32[6,3] = matmul(%a, %w) {transpose_a=false, transpose_b=false}
        %c: f32[6,3] = relu(%b)
        output %c
    """)
    assert not any(line.startswith("product") for line in groups(graph))

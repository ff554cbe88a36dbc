from __future__ import annotations

from nngraph.backends.tvm.fuse.kinds import is_unit_reshape
from nngraph.backends.tvm.fuse.space import Space, align
from nngraph.ir.graph import Graph
from nngraph.ir.parser import parse_graph
from nngraph.ops import REGISTRY


def space_of(body: str) -> tuple[Space | None, Graph]:
    graph = parse_graph(f"graph g {{\n{body}\n}}", REGISTRY)
    return align(list(graph.nodes)), graph


def test_broadcast_operands_share_the_axes_of_the_result() -> None:
    space, graph = space_of("""
      input %x: f32[4,5]
      input %b: f32[5]
      %y: f32[4,5] = add(%x, %b)
      output %y""")
    assert space is not None and space.sizes == (4, 5)
    assert space.axes[graph.inputs[1]] == (1,)
    assert not space.reduced


def test_dimensions_of_one_are_no_axes() -> None:
    space, graph = space_of("""
      input %x: f32[4,1,5]
      %s: f32[4,1,1] = sum(%x) {axes=(2,), keepdims=true}
      %r: f32[4] = reshape(%s) {shape=(4,)}
      output %r""")
    assert space is not None and space.sizes == (4, 5) and space.reduced == {1}
    assert space.axes[graph.outputs[0]] == (0,)
    assert space.can_store(graph.outputs[0])


def test_reductions_over_different_axes_share_no_space() -> None:
    space, _ = space_of("""
      input %x: f32[4,5]
      %a: f32[4,1] = sum(%x) {axes=(1,), keepdims=true}
      %b: f32[1,5] = sum(%x) {axes=(0,), keepdims=true}
      %y: f32[4,5] = add(%a, %b)
      output %y""")
    assert space is None


def test_a_tensor_and_its_transpose_share_no_space() -> None:
    space, _ = space_of("""
      input %x: f32[4,4]
      %a: f32[4] = sum(%x) {axes=(0,), keepdims=false}
      %b: f32[4] = sum(%x) {axes=(1,), keepdims=false}
      %y: f32[4] = add(%a, %b)
      output %y""")
    assert space is None


def test_empty_and_symbolic_tensors_have_no_space() -> None:
    for shape in ("0,4", "batch,4"):
        space, _ = space_of(f"""
          input %x: f32[{shape}]
          %y: f32[{shape}] = exp(%x)
          output %y""")
        assert space is None


def test_unit_reshapes() -> None:
    graph = parse_graph(
        """graph g {
      input %x: f32[4,6]
      %a: f32[1,4,6] = reshape(%x) {shape=(1, 4, 6)}
      %b: f32[24] = reshape(%x) {shape=(24,)}
      output %a
      output %b
    }""",
        REGISTRY,
    )
    assert [is_unit_reshape(n) for n in graph.nodes] == [True, False]

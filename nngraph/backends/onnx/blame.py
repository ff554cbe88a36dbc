"""Says in the user's terms what ONNX Runtime refuses: operator, module and line of a node."""

from __future__ import annotations

import re

from nngraph.backends.errors import BackendError
from nngraph.ir.origin import Origin

__all__ = ["explained"]

#: How the runtime's errors name a node, at loading and in a call.
_NODE = re.compile(
    r"Name:'(?P<run>.*?)' Status|In Node, \(\"(?P<check>[^\"]*)\"|[Nn]ode ?\((?P<load>[^)]*)\)"
)


def explained(error: Exception, model: bytes, what: str) -> Exception:
    """Nngraph's error for one of the runtime's.

    Args:
        error: what was raised.
        model: the ONNX model; its nodes have names and say where they are from.
        what: the runtime did not do.
    """
    text = str(error)
    if re.search(r"out of (data )?bounds|out of range|within bounds", text, re.IGNORECASE):
        return IndexError(f"an index is out of range: {text}")
    if re.search(r"(division|modulo) by zero", text, re.IGNORECASE):
        return ZeroDivisionError(f"an integer is divided by zero: {text}")
    return BackendError(
        f"ONNX Runtime {what}{_place(text, model)}\n    it says: {text}\n"
        'Check the sizes of what was passed; ng.compile(..., backend="reference") says more of '
        'the same call, and backend="tvm" has kernels of its own.'
    )


def _place(text: str, model: bytes) -> str:
    """The operator of the node that a text names, its module and line."""
    from nngraph.backends.onnx.proto import node_named  # what loads a model needs no onnx

    found = _NODE.search(text)
    if found is None:
        return ""
    node = node_named(next(filter(None, found.groups())), model)
    if node is None:
        return ""
    try:
        origin = Origin.parse(node.doc_string)
    except ValueError:  # a check of the model's own, whose name says it
        return f": the node {node.name!r}"
    module = f"\n    in {origin.module}" if origin.module else ""
    line = f"\n    {origin.file}:{origin.line}" if origin.file else ""
    return f": the operator {node.op_type}{module}{line}"

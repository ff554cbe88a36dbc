"""Models as ONNX files (``torch.onnx``): ``ng.export`` writes them."""

from __future__ import annotations

from nngraph.frontend.elsewhere import elsewhere

__all__ = ["dynamo_export", "export", "is_in_onnx_export"]

_EXPORT = (
    "write ng.export(model, 'model.onnx', ng.spec(('batch', 3, 32, 32))), which takes functions "
    "and whole training steps, too; docs/export.md"
)

export, dynamo_export = elsewhere("onnx.export", _EXPORT), elsewhere("onnx.dynamo_export", _EXPORT)


def is_in_onnx_export() -> bool:
    """False: graphs are the same for all that is done with them."""
    return False

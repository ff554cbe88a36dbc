"""Compiles a graph to one standard ONNX model and runs it with ONNX Runtime.

``backend`` ties the parts together; ``writer`` collects ONNX nodes; ``rules`` says how each
operator is written, a family a file (``emit_*``); ``kernels`` says which element types the runtime
computes in; ``choices`` holds every decision that rests on a measurement; ``load`` alone imports
onnxruntime; ``export`` writes files.
"""

from __future__ import annotations

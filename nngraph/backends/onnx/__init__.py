"""Compiles a graph to one standard ONNX model and runs it with ONNX Runtime.

``backend`` ties the parts together; ``writer`` collects ONNX nodes; ``rules`` says how each
operator is written, a family a file (``emit_*``); ``kernels`` says which element types the runtime
computes in; ``choices`` holds every decision that rests on a measurement; ``load`` alone imports
onnxruntime; ``export`` writes files.

Results are those of the operators' own definitions, NaN and infinity included, but for this: batch
and layer normalization round more where the mean is thousands of times the deviation (as the
runtime's kernels do); a masked gradient may be -0.0; the mean over a batch of a symbolic size is 0,
not NaN, where that size is 0; sums of 64-bit integers are exact up to 2**53; negative indices count
from the end also where an operator refuses them.
"""

from __future__ import annotations

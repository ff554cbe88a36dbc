"""Compiles a graph to one standard ONNX model and runs it with ONNX Runtime.

``backend`` ties the parts together; ``emit`` walks the graph once; ``writer`` collects nodes as the
plain data of ``model``; ``rules`` says how each operator is written, a family a file; ``kernels``
says which element types the runtime computes in; ``choices`` holds every decision that rests on a
measurement; ``proto`` makes protobuf of a model; ``artifact`` is that with the graph's signature;
``load`` alone imports onnxruntime; ``export`` writes files for others.

Results are those of the operators' own definitions, NaN and infinity included, but for this: batch
and layer normalization round more where the mean is thousands of times the deviation (as the
runtime's kernels do); a masked gradient may be -0.0; sums of 64-bit integers are exact up to 2**53;
negative indices count from the end also where an operator refuses them.
"""

from __future__ import annotations

"""TVM as a kernel compiler on the CPU: kernels scheduled by hand, compiled together, cached.

Nothing here imports tvm until a kernel is built or a library is compiled.
"""

from __future__ import annotations

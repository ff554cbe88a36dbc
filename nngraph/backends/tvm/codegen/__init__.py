"""What kernels compute, as code: a frozen spec, a tile and loops in, a kernel out.

Every kernel takes its inputs in order, then its outputs, as contiguous 64-byte aligned buffers.
Buffers documented as flat take any contiguous tensor of that many elements. Nothing is chosen
here: strategies choose tiles, and ``Loops`` say how loops map to a machine.
"""

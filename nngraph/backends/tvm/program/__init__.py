"""The program that a graph becomes: kernels, calls and memory."""

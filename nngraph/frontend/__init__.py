"""Tensors as users see them; tracing, compiling, exporting."""

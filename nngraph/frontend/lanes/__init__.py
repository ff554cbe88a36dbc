"""Code that runs for one element of a batch, and computes all: the world of ``vmap``."""

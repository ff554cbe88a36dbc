"""From operators to kernels: the spec that each operator is, and the strategy that builds it."""

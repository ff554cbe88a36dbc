"""From fused operators to kernels: index maps, loops and scalar code."""

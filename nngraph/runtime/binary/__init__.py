"""Binaries: folders of compiled kernels, the plan that calls them, and the state."""

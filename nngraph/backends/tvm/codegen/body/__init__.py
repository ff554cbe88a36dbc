"""Fused elementwise operators and reductions: the plan of their sweeps, and its kernel."""

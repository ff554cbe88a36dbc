"""Bundles: folders that hold a step, its state, and all that a host has to know of them."""

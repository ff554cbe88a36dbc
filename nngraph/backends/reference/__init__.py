"""Runs any graph with the operators' own NumPy definitions: the backend others are tested by."""

from __future__ import annotations

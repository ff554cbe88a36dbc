"""Captures what Python code does as a graph: the recorder, arguments in, effects out."""

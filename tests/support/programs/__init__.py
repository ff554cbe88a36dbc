"""Random programs over the tensor API: text that runs unchanged with PyTorch and with nngraph.

``python -m tests.support.programs --seed 0 --count 1000`` draws programs, runs each with PyTorch
and with nngraph (eager and compiled), and prints what differs after deleting every statement that
the difference does not need.
"""

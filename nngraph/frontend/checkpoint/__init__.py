"""``ng.save`` and ``ng.load``: what a run is, in one file that executes nothing when it is read."""

"""Families of tensor methods; ``Tensor`` inherits them all."""

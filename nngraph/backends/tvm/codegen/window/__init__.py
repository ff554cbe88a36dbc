"""Convolutions and pooling, as sums over taps of zero-padded planes."""

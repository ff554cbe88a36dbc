"""The layers, in files named as PyTorch's."""

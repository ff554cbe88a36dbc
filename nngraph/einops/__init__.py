"""What makes einops know nngraph's tensors, as soon as both are imported."""

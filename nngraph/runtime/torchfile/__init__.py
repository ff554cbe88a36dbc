"""Reads what ``torch.save`` wrote, without executing anything of it."""

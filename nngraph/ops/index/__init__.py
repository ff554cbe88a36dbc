"""Reading and writing by integer indices."""

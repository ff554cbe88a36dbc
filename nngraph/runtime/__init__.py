"""What a compiled function runs, and files of its state."""

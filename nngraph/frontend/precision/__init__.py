"""Mixed precision: which functions compute in which dtype while ``autocast`` is on."""

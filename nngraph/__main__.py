"""``python -m nngraph`` is the command ``nngraph``."""

from __future__ import annotations

from nngraph.cli import main

if __name__ == "__main__":
    main()

"""Images: other sizes, other places, patches, channels as pixels."""

from __future__ import annotations

"""What commands print: texts for people, JSON for programs."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["say", "say_json"]


def say(*parts: str) -> None:
    """Prints parts with an empty line between them."""
    click.echo("\n\n".join(part for part in parts if part))


def say_json(value: Any) -> None:
    """Prints one JSON document."""
    click.echo(json.dumps(value, indent=2))

"""What words on a command line stand for: functions of the user's, types of arguments, sizes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from nngraph.backends.errors import BackendError
from nngraph.frontend.capture.arguments import spec
from nngraph.frontend.errors import TraceError

__all__ = [
    "argument_option",
    "failing",
    "found",
    "host_options",
    "json_option",
    "npy_files",
    "size_option",
    "sizes",
    "specs",
]

_SPEC = re.compile(r"(?P<dtype>[a-z]+\d*)(\[(?P<sizes>[^\]]*)\])?")

argument_option = click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="TYPE",
    help="An argument's type, one --arg each, in order: `float32[batch,64]`, `int64[]`. A name "
    "instead of a size makes it dynamic; equal names are equal sizes.",
)
size_option = click.option(
    "--size",
    "given",
    multiple=True,
    metavar="NAME=N",
    help="What a dynamic size shall be: `batch=32`.",
)
_host_options = (
    size_option,
    click.option(
        "--input",
        "files",
        multiple=True,
        metavar="NAME=FILE",
        help="A .npy file for an input; the others are drawn.",
    ),
    click.option("--seed", default=0, show_default=True, help="Of what is drawn."),
    click.option("--below", default=2, show_default=True, help="Drawn integers are below this."),
    click.option("--threads", type=int, help="Threads of a call; else all cores."),
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead.")


@contextmanager
def failing() -> Iterator[None]:
    """Errors that users cause are said in one text, with exit code 1; others keep their traceback.

    Raises:
        click.ClickException: for errors of files, of backends and of traces.
    """
    try:
        yield
    except (OSError, BackendError, TraceError, ValueError, TypeError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error


def found(word: str) -> Callable[..., Any]:
    """What `module:name` names, of a module in this folder or on Python's path.

    Raises:
        click.BadParameter: if there is no such thing, or it can't be called.
    """
    module, colon, name = word.partition(":")
    if not colon or not module or not name:
        raise click.BadParameter(f"{word!r} is not of the form module:name, as train:step is")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        value: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise click.BadParameter(f"there is no module {error.name!r} (for {word!r})") from error
    calls = name.endswith("()")
    for part in name.removesuffix("()").split("."):
        if not hasattr(value, part):
            raise click.BadParameter(f"{module!r} has no {name!r}")
        value = getattr(value, part)
    value = value() if calls else value
    if not callable(value):
        raise click.BadParameter(f"{word!r} is {type(value).__name__}, which can't be called")
    return value  # type: ignore[no-any-return]


def specs(texts: Sequence[str]) -> list[Any]:
    """The types of arguments.

    Raises:
        click.BadParameter: for a text that is no type.
    """
    return [_spec(text) for text in texts]


def _spec(text: str) -> Any:
    match = _SPEC.fullmatch(text.replace(" ", ""))
    if match is None:
        raise click.BadParameter(f"--arg {text!r}: write a type such as float32[batch,64]")
    parts = [part for part in (match["sizes"] or "").split(",") if part]
    shape = [int(part) if part.isdigit() else None if part == "?" else part for part in parts]
    try:
        return spec(shape, match["dtype"])
    except (TypeError, ValueError) as error:
        raise click.BadParameter(f"--arg {text!r}: {error}") from error


def host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that run something on a batch."""
    for option in reversed(_host_options):
        command = option(command)
    return command


def npy_files(given: Sequence[str]) -> dict[str, Path]:
    """Files by the names of inputs.

    Raises:
        click.BadParameter: for a text that is not `name=file`.
    """
    made: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise click.BadParameter(f"--input {text!r}: write a name and a file, as x=x.npy")
        made[name] = Path(path)
    return made


def sizes(given: Sequence[str]) -> dict[str, int]:
    """Sizes by name.

    Raises:
        click.BadParameter: for a text that is not `name=n`.
    """
    made: dict[str, int] = {}
    for text in given:
        name, equals, number = text.partition("=")
        if not equals or not name or not number.isdigit():
            raise click.BadParameter(f"--size {text!r}: write a name and a number, as batch=32")
        made[name] = int(number)
    return made

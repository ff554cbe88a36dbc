"""What words on a command line stand for: functions of the user's, types of arguments, sizes."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from nngraph.backends.errors import BackendError
from nngraph.frontend.capture.arguments import spec
from nngraph.frontend.errors import TraceError

__all__ = [
    "Asked",
    "argument_option",
    "failing",
    "found",
    "host_options",
    "json_option",
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


@dataclass(frozen=True)
class Asked:
    """What the options of a command say of the batch, and of the threads that compute on it.

    Attributes:
        sizes: of dynamic axes, by name.
        files: ``.npy`` files, by the names of inputs.
        seed: of what is drawn.
        below: drawn integers are.
        threads: of a call; None for all cores.
    """

    sizes: Mapping[str, int]
    files: Mapping[str, Path]
    seed: int
    below: int
    threads: int | None


def host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that run something on a batch, which they get as ``asked``."""

    @functools.wraps(command)
    def called(
        given: Sequence[str],
        files: Sequence[str],
        seed: int,
        below: int,
        threads: int | None,
        **others: Any,
    ) -> Any:
        paths = {name: Path(path) for name, path in _pairs("--input", files, "a file, as x=x.npy")}
        return command(asked=Asked(sizes(given), paths, seed, below, threads), **others)

    for option in reversed(_host_options):
        called = option(called)
    return called


def _pairs(option: str, given: Sequence[str], wanted: str) -> list[tuple[str, str]]:
    """Names and what belongs to them.

    Raises:
        click.BadParameter: for a text that is not ``name=...``.
    """
    made = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise click.BadParameter(f"{option} {text!r}: write a name and {wanted}")
        made.append((name, value))
    return made


def sizes(given: Sequence[str]) -> dict[str, int]:
    """Sizes by name.

    Raises:
        click.BadParameter: for a text that is not `name=n`.
    """
    wanted = "a number, as batch=32"
    made = {}
    for name, number in _pairs("--size", given, wanted):
        if not number.isdigit():
            raise click.BadParameter(f"--size '{name}={number}': write a name and {wanted}")
        made[name] = int(number)
    return made

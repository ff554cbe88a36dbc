"""``nngraph serve``: a folder for browsers on this machine, with what threads in them need."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from nngraph.cli.named import failing, json_option
from nngraph.cli.text import say, say_json

__all__ = ["command", "make_server"]


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder; pages may use threads with shared memory.

    Source: https://developer.mozilla.org/en-US/docs/Web/API/Window/crossOriginIsolated
    """

    extensions_map = {  # noqa: RUF012 - the base declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
        ".onnx": "application/octet-stream",
        ".safetensors": "application/octet-stream",
    }

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        """A file of the folder; a link that leads out of it is not found."""
        found = Path(super().translate_path(path))
        inside = found.resolve().is_relative_to(Path(self.directory).resolve())
        return str(found) if inside else ""

    def log_message(self, format: str, *args: object) -> None:
        """What is served is not worth a line."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder on this machine's own address; ``port`` 0 takes a free one.

    Raises:
        NotADirectoryError: if there is no such folder.
        OSError: if the port is taken.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    handler = functools.partial(_Handler, directory=str(folder.resolve()))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, help="0 takes a free one.")
@json_option
def command(folder: Path, port: int, as_json: bool) -> None:
    """Serves FOLDER at http://127.0.0.1:PORT until it is stopped, to this machine only.

    The headers let pages use threads (SharedArrayBuffer), as onnxruntime-web does.
    """
    with failing():
        server = make_server(folder, port)
    address = f"http://127.0.0.1:{server.server_port}/"
    if as_json:
        say_json({"folder": str(folder), "address": address})
    else:
        say(f"{folder} is at {address} (Ctrl-C stops)")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped")

"""The parent's side of a worker: start it, ask it, stop it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks.case import Case

ROOT = Path(__file__).resolve().parent.parent


class ContenderFailed(Exception):
    """A contender could not do what it was asked; the message is for the table."""


def environment(case: Case, contender: str) -> dict[str, str]:
    """The caller's environment with the number of threads and empty compilation caches."""
    threads = str(case.threads)
    cache = case.path(f"cache-{contender}")
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS")
    settings = dict.fromkeys(names, threads)
    settings["JAX_PLATFORMS"] = "cpu"
    # First-call times are those of a machine that has never compiled this network.
    settings["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
    settings["XDG_CACHE_HOME"] = str(cache)
    if case.threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return os.environ | settings


class RemoteWorker:
    """One contender in its own process. Use as a context manager: leaving ends the process."""

    def __init__(
        self, contender: str, case: Case, timeout: float, checkout: Path = ROOT, label: str = ""
    ) -> None:
        """Start the process on the code in ``checkout``; ``label`` tells two checkouts apart."""
        name = f"{contender}{label}"
        self.contender = contender
        self.timeout = timeout
        self.log = case.path(f"{name}-{case.mode}.log")
        self._stderr = self.log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender, case.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            cwd=checkout,
            env=environment(case, name),
        )

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and wait for its reply.

        Raises:
            ContenderFailed: the command failed, the process died, or the time was up.
        """
        commands, replies = self._pipes()
        try:
            commands.write(json.dumps({"command": command, **arguments}) + "\n")
            commands.flush()
        except BrokenPipeError:
            raise ContenderFailed(self._epitaph()) from None
        if not select.select([replies], [], [], self.timeout)[0]:
            raise ContenderFailed(f"no answer to {command} in {self.timeout:.0f} s")
        line = replies.readline()
        if not line:
            raise ContenderFailed(self._epitaph())
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            self._stderr.write(reply["traceback"])
            self._stderr.flush()
            raise ContenderFailed(reply["error"])
        return reply

    def close(self) -> None:
        """End the process and wait for it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        commands, replies = self._pipes()
        with suppress(BrokenPipeError):  # a command that the dead process never read
            commands.close()
        replies.close()
        self._stderr.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        return stdin, stdout

    def _epitaph(self) -> str:
        """Why the process is gone: its exit code and the last line it printed."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it printed nothing"
        return f"the process ended with exit code {self._process.wait()}: {last}"

    def __enter__(self) -> RemoteWorker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

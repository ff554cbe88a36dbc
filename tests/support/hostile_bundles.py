"""Bundles that are damaged, or made to harm: what loading them may do.

    python -m tests.support.hostile_bundles --count 20000 --seed 1

loads as many bundles of which one file is changed at random; every second one has the checksums of
what was changed, as one who means harm would write them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

import nngraph as ng
from nngraph import nn, optim
from tests.support.hostile import mutated

__all__ = ["check", "make_bundle", "rounds", "sealed"]

_WATCHED = ("compile", "exec", "import", "subprocess.Popen", "os.system", "ctypes.dlopen")
_TOKENS = (
    *(b"[" * 40, b"{" * 40, b"(" * 200, b"-1", b"1e999", b"99999999999999999999", b'"', b"\\"),
    *(b"../x", b"/etc/passwd", b"null", b"f32[", b"f64[9999999999]", b"<a*b>", b"%0", b"graph g {"),
    *(b"\xff\xfe", b"\0", b"NaN", b"state", b"-> %1", b"reshape", b"int64"),
)


def make_bundle(folder: Path) -> Path:
    """A small bundle with everything that bundles have: a step, a model, scalars, random bits."""
    ng.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @ng.compile(backend="reference")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return {"loss": loss, "count": 3}

    step(np.ones((4, 3), np.float32))
    return ng.export(step, folder, ng.spec((None, 3)))


def sealed(folder: Path) -> None:
    """Writes the sizes and checksums of the files as they are now into the manifest."""
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    for name in list(data["files"]):
        if (folder / name).is_file():
            raw = (folder / name).read_bytes()
            data["files"][name] = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    path.write_text(json.dumps(data))


_heard: list[str] = []
_listening = False


def _listen(event: str, _args: tuple[Any, ...]) -> None:
    if _listening and event in _WATCHED:
        _heard.append(event)


sys.addaudithook(_listen)


def check(folder: Path, seconds: float = 10.0) -> ng.BundleError | None:
    """Loads a bundle: the error, which must be the one that is documented, or None."""
    global _listening
    start, error = time.process_time(), None
    _heard.clear()
    _listening = True
    try:
        ng.load_step(folder, backend="reference")
    except ng.BundleError as found:
        error = found
    finally:
        _listening = False
    # Sums of sizes are parsed by Python's own parser, which makes a tree of them and no code.
    assert not {*_heard} - {"compile"}, f"code ran: {_heard}"
    assert time.process_time() - start < seconds, "it took too long"
    return error


def rounds(bundle: Path, work: Path, rng: random.Random, count: int) -> int:
    """Loads ``count`` changed copies of a bundle; how many loaded."""
    shutil.copytree(bundle, work)
    ng.load_step(work, backend="reference")  # imports what loading imports
    loaded = 0
    files = sorted(p.name for p in work.iterdir())
    for at in range(count):
        name = files[at % len(files)]
        before = {n: (bundle / n).read_bytes() for n in (name, "manifest.json")}
        changed = _changed(before[name], rng)
        try:
            (work / name).write_bytes(changed)
            if at // len(files) % 2 and name != "manifest.json":
                sealed(work)
            error = check(work)
        except BaseException:
            print(f"round {at}: {name} is {changed!r}")
            raise
        loaded += error is None
        for each, raw in before.items():
            (work / each).write_bytes(raw)
    assert check(work) is None
    return loaded


def _changed(raw: bytes, rng: random.Random) -> bytes:
    """A changed file: bits and pieces moved about, or words of its language put in."""
    if rng.random() < 0.5:
        return mutated(raw, rng)
    out = bytearray(raw)
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(out) + 1)
        length = rng.choice((0, 0, 1, 5))
        out[at : at + length] = rng.choice(_TOKENS)
    return bytes(out)


def main() -> None:
    """Loads as many bundles as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bundle = make_bundle(Path(name, "bundle"))
        tracemalloc.start()
        rng = random.Random(options.seed)
        loaded = rounds(bundle, Path(name, "work"), rng, options.count)
        peak = tracemalloc.get_traced_memory()[1] >> 20
    print(f"{options.count} bundles: {loaded} loaded, the others refused; peak {peak} MiB")


if __name__ == "__main__":
    main()

"""A bundle is written whole or not at all, whenever the process ends and whatever the disk does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import files
from tests.support.hostile_bundles import make_bundle

ROOT = Path(__file__).resolve().parents[2]

# The child is killed at the n-th thing that it does with files; the parent says what is left.
KILLED = """
import os, signal, sys
from pathlib import Path
import nngraph as ng

folder = Path(sys.argv[1])
step = ng.load_step(folder, backend="reference")
events = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}
ends = set()
for last in range(1, 400):
    step.scalars["lr"] = float(last)
    child = os.fork()
    if child == 0:
        seen = 0
        def count(event, args):
            global seen
            seen += event in events
            if event in events and seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        step.save(folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    found = ng.load_step(folder, backend="reference").scalars["lr"]
    assert found in (0.5, float(last)), found
    ends.add((os.WIFSIGNALED(status), found == last))
    if not os.WIFSIGNALED(status):
        break
    if found == last:
        step.scalars["lr"] = 0.5
        step.save(folder)
print(last, sorted(ends))
"""

FULL = """
import resource, sys
import nngraph as ng

step = ng.load_step(sys.argv[1], backend="reference")
step.scalars["lr"] = 7.0
for bytes in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))
    try:
        step.save(sys.argv[1])
    except OSError as error:
        print(error.errno)
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = make_bundle(tmp_path / "bundle")
    step = ng.load_step(folder, backend="reference")
    step.scalars["lr"] = 0.5
    return step.save(folder)


def run(code: str, *args: object) -> str:
    command = [sys.executable, "-c", code, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(files._exchange() is None, reason="the system cannot exchange two names")
def test_a_process_that_is_killed_leaves_the_old_bundle_or_the_new_one(bundle: Path) -> None:
    count, ends = run(KILLED, bundle).split(" ", 1)
    assert int(count) > 10
    # Killed before and after the exchange, and in the end not killed.
    assert ends.strip() == "[(False, True), (True, False), (True, True)]"
    for left in bundle.parent.glob(".bundle.*"):
        assert left.is_dir()  # what may be deleted


def test_a_full_disk_leaves_the_old_bundle(bundle: Path) -> None:
    pytest.importorskip("resource", reason="the system limits no sizes of files")
    sizes = sorted(p.stat().st_size for p in bundle.iterdir())
    assert run(FULL, bundle, *(size - 1 for size in sizes)).split() == ["27"] * len(sizes)
    assert ng.load_step(bundle, backend="reference").scalars["lr"] == 0.5
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_an_export_that_fails_leaves_the_old_bundle(bundle: Path) -> None:
    before = {p.name: p.read_bytes() for p in bundle.iterdir()}
    weight = ng.nn.Parameter(ng.ones(2))

    def step(x: ng.Tensor) -> ng.Tensor:
        return (x * weight).sum()

    with pytest.raises(ValueError, match="does not call this Linear"):
        ng.export(ng.compile(step), bundle, ng.spec((2,)), model=ng.nn.Linear(2, 2))
    with pytest.raises(ng.TraceError):
        ng.export(lambda x: float(x.sum()), bundle, ng.spec((2,)))
    assert {p.name: p.read_bytes() for p in bundle.iterdir()} == before
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_a_bundle_is_written_through_a_link_to_its_folder(bundle: Path) -> None:
    link = bundle.parent / "link"
    link.symlink_to(bundle, target_is_directory=True)
    step = ng.load_step(link, backend="reference")
    step(np.ones((2, 3), np.float32))
    step.scalars["lr"] = 0.25
    step.save(link)
    assert link.is_symlink()
    assert ng.load_step(bundle, backend="reference").scalars["lr"] == 0.25
    assert sorted(p.name for p in bundle.parent.iterdir()) == ["bundle", "link"]

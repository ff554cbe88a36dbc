"""Files that mean harm, damaged files, full disks, and writers that are killed."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.hostile import NAMES, check, files, torch_file

STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\4tQ"


def tensor(offset: bytes, size: bytes, stride: bytes, storage: bytes = STORAGE) -> bytes:
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    return call + offset + size + stride + b"\x89NtR."


def number(value: int) -> bytes:
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def refused(raw: bytes, words: str, seconds: float = 10.0) -> None:
    found = check(raw, seconds)
    assert isinstance(found, ng.CheckpointError), found
    assert re.search(words, str(found)), found


def test_a_share_of_random_files() -> None:
    for raw in files(random.Random(7), 600):
        check(raw)


class Payload:
    """Runs a command where pickle is used."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("deep", [False, True])
def test_commands_of_pickles_do_not_run(protocol: int, deep: bool, tmp_path: Path) -> None:
    target = tmp_path / "was_here"
    for payload in (
        Payload(os.system, f"touch {target}"),
        Payload(eval, f"open({str(target)!r}, 'w')"),
        Payload(getattr, "text", "join"),
        Payload(pickle.loads, pickle.dumps(Payload(os.system, f"touch {target}"))),
    ):
        value = {"a": [1, payload]} if deep else payload
        refused(torch_file(pickle.dumps(value, protocol)), "holds an object of|is called")
        refused(pickle.dumps(value, protocol), "no file of torch.save|a pickle|not a whole")
    assert not target.exists()


HARMLESS = {"torch", "collections", "_codecs", "numpy", "argparse", "pathlib", "copyreg"}
DANGEROUS = NAMES[: NAMES.index(("torch._utils", "_rebuild_tensor_v2"))]


@pytest.mark.parametrize(("module", "name"), DANGEROUS)
def test_names_that_are_not_on_the_list(module: str, name: str) -> None:
    said = f"{module}.{name}".replace(".", r"\.")
    line = f"c{module}\n{name}\n".encode()
    text = b"".join(b"X" + struct.pack("<I", len(t)) + t.encode() for t in (module, name))
    for raw in (line + b"(tR.", text + b"\x93)R.", line + b".", line + b")\x81}b."):
        refused(torch_file(raw), said)
    refused(torch_file(f"(i{module}\n{name}\n.".encode()), "opcode 0x69")


PROGRAMS: dict[str, tuple[bytes, str]] = {
    "offset behind": (tensor(b"K\5", b"K\0\x85", b"K\1\x85"), "leaves its storage"),
    "last behind": (tensor(b"K\2", b"K\3\x85", b"K\1\x85"), "leaves its storage"),
    "stride behind": (tensor(b"K\0", b"K\2\x85", b"K\4\x85"), "leaves its storage"),
    "overflow": (tensor(b"K\0", number(2**61) + b"\x85", number(8) + b"\x85"), "leaves its"),
    "huge": (tensor(b"K\0", number(2**100) + b"\x85", b"K\1\x85"), "a tensor's size"),
    "negative": (tensor(b"K\3", b"K\2\x85", number(-1) + b"\x85"), "negative stride"),
    "negative size": (tensor(b"K\0", number(-1) + b"\x85", b"K\1\x85"), "a tensor's size"),
    "negative offset": (tensor(number(-1), b"K\1\x85", b"K\1\x85"), "a tensor's offset"),
    "repeated": (tensor(b"K\0", number(2**50) + b"\x85", b"K\0\x85"), "many times its own size"),
    "ranks": (tensor(b"K\0", b"K\1\x85", b")"), "size is"),
    "no storage": (tensor(b"K\0", b"K\1\x85", b"K\1\x85", b"N"), "storage is NoneType"),
    "hooks": (
        b"ctorch._utils\n_rebuild_parameter\n("
        + tensor(b"K\0", b")", b")")[:-1]
        + b"\x88}K\1K\1stR.",
        "hooks, which are code",
    ),
    "another count": (
        tensor(b"K\0", b"K\1\x85", b"K\1\x85", STORAGE.replace(b"K\4", b"K\5")),
        "is of 16 bytes, not of 20",
    ),
    "missing": (
        tensor(b"K\0", b"K\1\x85", b"K\1\x85", STORAGE.replace(b"0X\3", b"9X\3")),
        "'data/9' is missing",
    ),
    "a key of a path": (
        tensor(b"K\0", b")", b")", STORAGE.replace(b"X\1\0\0\x000", b"X\5\0\0\0../x0")),
        "is missing",
    ),
    "bare storage": (STORAGE + b".", "a storage without a tensor"),
    "bare name": (b"ccollections\nOrderedDict\n.", "OrderedDict itself"),
    "bare dtype": (b"cnumpy\ndtype\nX\2\0\0\0f4\x85R.", "dtype of NumPy's itself"),
    "objects": (b"cnumpy\ndtype\nX\2\0\0\0O8\x89\x88\x87R.", "dtype 'O8'"),
    "class of a dict": (b"ccollections\ndefaultdict\ncos\nsystem\n\x85R.", "os.system"),
    "attribute": (b"ccollections\nOrderedDict\n)R}X\4\0\0\0keysK\1sb.", "gets a state"),
    "dunder": (b"cargparse\nNamespace\n)\x81}X\t\0\0\0__class__K\1sb.", "gets a state"),
    "state of a list": (b"]}b.", "gets a state"),
    "a tensor's state": (tensor(b"K\0", b")", b")")[:-1] + b"}b.", "gets a state"),
    "extension": (b"\x82\1.", "opcode 0x82"),
    "object": (b"(cos\nsystem\no.", "os.system"),
    "persistent": (b"X\1\0\0\0aQ.", "persistent id"),
    "persistent text": (b"Pabc\n.", "persistent id"),
    "empty memo": (b"h\5.", "memo is empty"),
    "no stop": (b"N", "ends early"),
    "nothing": (b".", "damaged"),
    "mark": (b"(.", "missing"),
    "no mark": (b"t.", "mark is missing"),
    "long text": (b"X\xff\xff\xff\xff.", "ends early"),
    "longer text": (b"\x8d" + b"\xff" * 8 + b".", "ends early"),
    "long int": (b"\x8b\xff\xff\xff\xffa.", "ends early"),
    "long frame": (b"\x80\4\x95" + b"\xff" * 8 + b"N.", "frame"),
    "protocol": (b"\x80\x09N.", "protocol 9"),
    "key": (b"}]Ns.", "a key is list"),
    "key in a set": (b"\x8f(]\x90.", "a key is list"),
    "digits": (b"I" + b"9" * 4500 + b"\n.", "does not end|damaged"),
    "layout": (b"ctorch\nSize\nX\1\0\0\0a\x85R.", "Size is made of str"),
    "range": (b"cbuiltins\nrange\nK\1\x85K\1\x86R.", "an end of a range"),
    "bytes": (b"cbuiltins\nbytearray\n" + number(2**40) + b"\x85R.", "made of int"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_pickles_that_are_refused(name: str) -> None:
    raw, words = PROGRAMS[name]
    refused(torch_file(raw), words)


@pytest.mark.parametrize("sort", ["zip", "old", "named"])
def test_bytes_that_are_no_bools_count_once(sort: str) -> None:
    file, mark = io.BytesIO(), b"\1\0\1\1\0\0\1\1\1\0\0\1\0\1\0\1\1"
    if sort == "zip":
        raw = tensor(b"K\0", b"K\x11\x85", b"K\1\x85", STORAGE.replace(b"K\4", b"K\x11"))
        file.write(torch_file(raw.replace(b"FloatS", b"BoolS"), mark.replace(b"\1", b"\7")))
    else:
        value = torch.tensor(list(map(bool, mark)))
        if sort == "old":
            torch.save(value, file, _use_new_zipfile_serialization=False)
        else:
            ng.save(ng.tensor(value.numpy()), file)
        assert mark in file.getvalue()
        file = io.BytesIO(file.getvalue().replace(mark, mark.replace(b"\1", b"\7")))
    found = check(file.getvalue())
    assert found.sum().item() == mark.count(1)
    assert found.numpy().tobytes() == mark


def test_deep_nests_and_wide_ones() -> None:
    many = 100_000
    refused(torch_file(b"]" * many + b"a" * (many - 1) + b"."), "nested more than 1000")
    links = b"ccollections\ndefaultdict\n)Rq\0" + b"".join(
        b"K\1ccollections\ndefaultdict\n)R" for _ in range(many)
    )
    refused(torch_file(links + b"s" * many + b"."), "nested more than 1000")
    refused(torch_file(links + b"s" * many + b"\xff"), "opcode 0xff")
    tuples = b")" + b"\x85" * many
    refused(torch_file(b"}" + tuples + b"Ns."), "a key is tuple")
    refused(torch_file(tuples + b"."), "nested more than 1000")
    doubling = b")" + b"2\x86" * 60 + b"."
    assert not isinstance(check(torch_file(doubling)), Exception)
    refused(torch_file(b"}" + doubling[:-1] + b"Ns."), "a key is tuple")


def test_what_a_file_repeats_is_counted() -> None:
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\0"
    encode = b"c_codecs\nencode\nq\1]" + b"h\1h\0X\6\0\0\0latin1\x86Ra" * 600
    refused(torch_file(text + encode + b"."), "many times its own size")
    key = b"}" + text + b"N" + b"s."
    refused(torch_file(key), "too long")
    large = b"}\x8b" + struct.pack("<I", 1 << 20) + b"\1" * (1 << 20) + b"Ns."
    refused(torch_file(large), "too long")


@pytest.mark.parametrize("write", [torch.save, ng.save])
def test_a_bit_that_flips_is_an_error_or_nothing(write: Any) -> None:
    framework = torch if write is torch.save else ng
    file, rng = io.BytesIO(), random.Random(3)
    write({"a": framework.arange(8), "b": ["text", 2.5]}, file)
    raw = bytearray(file.getvalue())
    end = len(raw) if write is torch.save else len(raw) - 64  # the format has no sums of elements
    for _ in range(400):
        at, bit = rng.randrange(end), 1 << rng.randrange(8)
        raw[at] ^= bit
        found = check(bytes(raw))
        raw[at] ^= bit
        if write is torch.save and not isinstance(found, Exception):
            assert found["a"].tolist() == list(range(8))
            assert found["b"] == ["text", 2.5]


def test_no_class_is_added_to_the_list() -> None:
    kinds = [np.dtype, np.dtype("f8").__class__, np.ndarray, OrderedDict, argparse.Namespace, set]
    ng.serialization.add_safe_globals([*kinds, (Path("a").__class__, "pathlib.Path")])
    with ng.serialization.safe_globals(kinds):
        assert ng.serialization.get_safe_globals() == []
    ng.serialization.clear_safe_globals()
    for kind in (Payload, os.system, complex, (Payload, "builtins.set")):
        with pytest.raises(RuntimeError, match=r"ng\.load executes nothing.*state_dict"):
            ng.serialization.add_safe_globals([kind])
        with pytest.raises(RuntimeError, match=r"ng\.load executes nothing.*state_dict"):
            ng.serialization.safe_globals([kind])


def test_bombs() -> None:
    storage = STORAGE.replace(b"K\4", number(2**28))
    one = tensor(b"K\0", number(2**28) + b"\x85", b"K\1\x85", storage)
    refused(torch_file(one, b"\0" * 16, zipfile.ZIP_DEFLATED), "is of 16 bytes")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a/data.pkl", one)
        with archive.open("a/data/0", "w") as entry:
            for _ in range(1024):
                entry.write(b"\0" * (1 << 20))
    refused(file.getvalue(), "many times its own size")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"PK\3\4", "no whole zip file"),
        (b"PK\3\4" + b"\0" * 100, "no whole zip file"),
        (b"abc", "not a whole safetensors file, and no file"),
        (b"\0" * 257 + b"ustar" + b"\0" * 250, "tar file"),
        (b"\xff" * 7 + b"\x7f{}", "cut short"),
        (struct.pack("<Q", 3) + b"{}}", "header is damaged"),
        (struct.pack("<Q", 4) + b"{\0}\0", "header is damaged"),
        (struct.pack("<Q", 100000) + b'{"a":' * 20000, "header is damaged"),
        (pickle.dumps({"a": 1}, 2), "a pickle, but not one of torch.save's"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1000, 2), "version 1000"),
    ],
)
def test_other_files(raw: bytes, words: str) -> None:
    refused(raw, words)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "another size"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, "damaged"),
        ({"dtype": "F32", "shape": [2**40] * 40, "data_offsets": [0, 4]}, "another size"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "one behind the other"),
        ({"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}, "of 4"),
        ({"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}, "type 'C64'"),
        ({"dtype": [], "shape": 3}, "damaged"),
        (5, "damaged"),
    ],
)
def test_headers_that_lie(entry: Any, words: str) -> None:
    header = json.dumps({"a": entry}).encode()
    refused(struct.pack("<Q", len(header)) + header + b"\0" * 8, words)


def test_every_length_of_a_file_that_is_cut() -> None:
    for write in (ng.save, pytest.importorskip("torch").save):
        framework = ng if write is ng.save else pytest.importorskip("torch")
        file = io.BytesIO()
        write({"a": framework.ones(3), "b": [1, 2]}, file)
        raw = file.getvalue()
        for length in range(0, len(raw), 7):
            assert isinstance(check(raw[:length]), ng.CheckpointError)


# -- writing -----------------------------------------------------------------------------------


class Full(io.BytesIO):
    """A disk that is full after some bytes."""

    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        ng.save([1], Full())
    path = tmp_path / "a.safetensors"
    ng.save([1], path)
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            ng.save(ng.zeros(1 << 16), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert ng.load(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


KILLED = """
import os, sys
import nngraph as ng
before = os.fsync
def die(handle):
    os.kill(os.getpid(), 9)
os.fsync = die
ng.save(ng.zeros(1000), sys.argv[1])
"""


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    ng.save([1], path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=120)
    assert done.returncode == -9
    assert ng.load(path) == [1]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="writes to a path or to a file's object, got int"):
        ng.save([1], 3)
    with pytest.raises(TypeError, match="reads a path or a file's object, got int"):
        ng.load(3)
    with pytest.raises(TypeError, match="open it with mode 'rb'"):
        ng.load(io.StringIO("abc"))
    with pytest.raises(IsADirectoryError):
        ng.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        ng.load(tmp_path / "none")


def test_nests_that_hold_themselves_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="holds itself"):
        ng.save(loop, io.BytesIO())


def test_small_numbers_keep_their_digits() -> None:
    file = io.BytesIO()
    ng.save([np.float32(0.1), 0.1, 10**30, -(2**63), 2**63], file)
    file.seek(0)
    assert ng.load(file) == [np.float32(0.1), 0.1, 10**30, -(2**63), 2**63]

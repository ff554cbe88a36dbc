"""Files that mean harm or are damaged: ``python -m tests.support.hostile --count 20000``.

Each is loaded with limits on time and memory while a hook of Python's listens for code that runs.
"""

from __future__ import annotations

import argparse
import io
import pickle
import random
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict
from functools import cache
from typing import Any

import torch

import nngraph as ng

__all__ = ["NAMES", "check", "files", "mutated", "program", "torch_file"]

#: What a checkpoint must not name, and what it may.
NAMES = (
    ("posix", "system"),
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ("collections", "OrderedDict.__init__"),
    ("nngraph.frontend.checkpoint.load", "load"),
    ("subprocess", "Popen"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("numpy", "load"),
    ("numpy.testing._private.utils", "runstring"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor_v3"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "FloatStorage"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch", "float32"),
    ("torch.storage", "UntypedStorage"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("builtins", "set"),
    ("builtins", "list"),
    ("builtins", "bytearray"),
    ("builtins", "range"),
    ("builtins", "slice"),
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("argparse", "Namespace"),
    ("copyreg", "_reconstructor"),
    ("pathlib", "PosixPath"),
)
_WATCHED = ("os.system", "exec", "compile", "subprocess.Popen", "pickle.find_class", "os.exec")
_TEXTS = (b"storage", b"0", b"cpu", b"touch /tmp/x", b"f4", b"<", b"latin1", b"_metadata", b"a")
_PLAIN = [bytes([c]) for c in b"(012N\x88\x89]})\x8flted\x91\x85\x86\x87aesu\x90Rb\x93\x81Qoi\x94"]


def _text(raw: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(raw)) + raw


def _opcode(rng: random.Random) -> bytes:
    """One opcode of a random program."""
    draw = rng.random()
    if draw < 0.2:
        module, name = rng.choice(NAMES)
        if rng.random() < 0.3:
            return _text(module.encode()) + _text(name.encode()) + b"\x93"
        return rng.choice((b"c", b"c", b"c", b"i")) + f"{module}\n{name}\n".encode()
    if draw < 0.35:
        return _text(rng.choice(_TEXTS))
    if draw < 0.5:
        number = rng.choice((0, 1, 2, -1, 3, 2**31 - 1, -(2**31)))
        return b"J" + struct.pack("<i", number)
    if draw < 0.6:
        return rng.choice((b"q", b"h", b"K", b"\x82")) + bytes([rng.randrange(6)])
    if draw < 0.65:
        return b"\x8a" + bytes([8]) + rng.randbytes(8)
    if draw < 0.75:  # a storage, and an argument list
        kind = rng.choice((b"FloatStorage", b"LongStorage"))
        count = rng.choice((0, 1, 4, 5, 200))
        head = b"(" + _text(b"storage") + b"ctorch\n" + kind + b"\n" + _text(b"0") + _text(b"cpu")
        return head + b"K" + bytes([count]) + b"tQ"
    return rng.choice(_PLAIN)


def program(rng: random.Random) -> bytes:
    """A pickle of random opcodes."""
    return b"\x80\x02" + b"".join(_opcode(rng) for _ in range(rng.randrange(1, 30))) + b"."


def torch_file(raw: bytes, data: bytes = b"\0" * 16, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of ``torch.save``'s, around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in {"data.pkl": raw, "data/0": data, "version": b"3\n"}.items():
            archive.writestr(f"a/{name}", content)
    return file.getvalue()


def _legacy(raw: bytes) -> bytes:
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    head = b"".join(pickle.dumps(value, 2) for value in heads)
    return head + raw + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + b"\0" * 16


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """A file with some bytes changed, cut, moved or put in."""
    out = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out) + 1)
        draw = rng.random()
        if draw < 0.5 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif draw < 0.6:
            del out[at:]
        elif draw < 0.75:
            start = rng.randrange(len(out) + 1)
            out[at:at] = out[start : start + rng.randrange(64)]
        elif draw < 0.9:
            out[at:at] = _opcode(rng)
        else:
            out[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, struct.pack("<q", 2**62)))
    return bytes(out)


def _value() -> Any:
    base = torch.arange(12.0).reshape(3, 4)
    weights = OrderedDict(a=base, b=base[1], c=torch.nn.Parameter(torch.ones(2)))
    state = {0: {"step": torch.tensor(1.0), "m": [1, 2.5, "t", None, (True, {3})]}}
    return {"model": weights, "state": state, "size": torch.Size([2, 3]), "dtype": torch.float16}


def _seeds() -> list[bytes]:
    made = []
    for new in (True, False):
        file = io.BytesIO()
        torch.save(_value(), file, _use_new_zipfile_serialization=new)
        made.append(file.getvalue())
    file = io.BytesIO()
    ng.save(ng.load(io.BytesIO(made[0])), file)
    return [*made, file.getvalue()]


@cache
def _warm() -> None:
    """Imports what loading imports when it is first done."""
    for raw in (*_seeds(), torch_file(b"N.")):
        ng.load(io.BytesIO(raw))


def files(rng: random.Random, count: int) -> Any:
    """Random files, one of each sort after the other."""
    seeds = _seeds()
    with zipfile.ZipFile(io.BytesIO(seeds[0])) as archive:
        inner = archive.read("archive/data.pkl")
    for at in range(count):
        yield (
            mutated(seeds[0], rng),
            mutated(seeds[1], rng),
            mutated(seeds[2], rng),
            torch_file(mutated(inner, rng), b"\0" * 48),
            torch_file(program(rng)),
            _legacy(program(rng)),
        )[at % 6]


_heard: list[str] = []
_listening = False


def _listen(event: str, _args: tuple[Any, ...]) -> None:
    if _listening and event in _WATCHED:
        _heard.append(event)


sys.addaudithook(_listen)


def check(raw: bytes, seconds: float = 10.0) -> Any:
    """Loads a file: the value, or the error, which must be one of ours."""
    global _listening
    _warm()
    start, modules = time.process_time(), set(sys.modules)
    _listening = True
    try:
        found: Any = ng.load(io.BytesIO(raw))
    except ng.CheckpointError as error:
        found = error
    finally:
        _listening = False
    assert not _heard, f"code ran: {_heard}"
    assert set(sys.modules) == modules, f"imported {set(sys.modules) - modules}"
    assert time.process_time() - start < seconds, "it took too long"
    return found


def main() -> None:
    """Loads as many files as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, values = random.Random(options.seed), 0
    warnings.simplefilter("ignore")
    tracemalloc.start()
    for at, raw in enumerate(files(rng, options.count)):
        try:
            values += not isinstance(check(raw), Exception)
        except BaseException:
            print(f"file {at} of seed {options.seed}: {raw!r}")
            raise
    peak = tracemalloc.get_traced_memory()[1] >> 20
    print(f"{options.count} files: {values} values, the others errors; peak {peak} MiB")


if __name__ == "__main__":
    main()

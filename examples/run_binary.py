"""Trains with a binary that `ng.build` wrote: tvm_ffi, TVM's runtime library and NumPy, no more.

    python run_binary.py FOLDER BATCHES.safetensors [--save STATE.safetensors]

BATCHES holds a tensor for each input, by its name: all batches, one behind the other along a first
axis. The first result of each is printed. The same in C++ is cpp/run_binary.cc.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import tvm_ffi

Bytes = np.ndarray  # of memory: uint8, aligned
Json = dict[str, Any]

TABLE_WORDS = 6  # of C's DLTensor, whose first word is an address


# -- files ---------------------------------------------------------------------------------
def read_safetensors(raw: bytes) -> dict[str, tuple[Json, Bytes]]:
    """Each tensor's entry in the header, and its bytes."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        found[name] = (entry, copied(np.frombuffer(raw[begin:end], np.uint8)))
    return found


def write_safetensors(path: Path, tensors: dict[str, tuple[Json, Bytes]]) -> None:
    """The same tensors again, with other elements."""
    names = sorted(tensors, key=lambda name: tensors[name][0]["data_offsets"])
    header = json.dumps({name: tensors[name][0] for name in names}).encode()
    header += b" " * (-len(header) % 8)
    data = b"".join(tensors[name][1].tobytes() for name in names)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a binary, which are whole and fit this machine."""
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] != "nngraph binary" or manifest["version"] > 1:
        raise SystemExit(f"{folder} is no binary of version 1")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    told = [line for line in lines if line.startswith(("flags", "Features"))]
    flags = {word for line in told for word in line.split()}
    missing = {*manifest["host"]["requires"]} - flags
    if missing or manifest["host"]["triple"] != f"{platform.machine()}-linux-gnu":
        raise SystemExit(f"{folder} is for {manifest['host']}; this machine lacks {missing}")
    files = {name: (folder / name).read_bytes() for name in manifest["files"]}
    for name, entry in manifest["files"].items():
        if hashlib.sha256(files[name]).hexdigest() != entry["sha256"]:
            raise SystemExit(f"{folder / name} is damaged")
    return files


# -- memory --------------------------------------------------------------------------------
def buffer(size: int) -> Bytes:
    """Zeros at a multiple of 64 bytes, as kernels want memory; they do not check it."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def copied(array: np.ndarray) -> Bytes:
    """The bytes of any array, in memory of their own."""
    made = buffer(array.nbytes)
    made[:] = np.frombuffer(array.tobytes(), np.uint8)
    return made


def tensor(memory: Bytes) -> Any:
    """What kernels take."""
    return tvm_ffi.from_dlpack(memory if memory.size else buffer(1))


def width(row: Json) -> int:
    """Bytes of an element: `float32` has 32 bits."""
    return int("".join(filter(str.isdigit, row["dtype"])) or 8) // 8


def size(row: Json) -> int:
    """Bytes of a tensor."""
    return width(row) * int(np.prod(row["shape"], dtype=np.int64))


# -- the program ---------------------------------------------------------------------------
class Program:
    """Storages and calls, as a plan has them."""

    def __init__(self, plan: Json, library: Any, constants: dict[str, Bytes]) -> None:
        self.plan = plan
        self.kernels = [library[row["symbol"]] for row in plan["kernels"]]
        self.arena = buffer(plan["arena"])
        self.constants = [constants[name] for name in plan["constants"]]
        self.status = [buffer(64) for _ in plan["checks"]]
        self.bodies = {
            i: Program(call["loop"]["program"], library, constants)
            for i, call in enumerate(plan["calls"])
            if "loop" in call
        }

    def run(
        self, inputs: list[Bytes], scalars: list[Bytes], states: list[Bytes]
    ) -> tuple[list[Bytes], list[Bytes]]:
        """One call: the outputs, and the states' new values."""
        given = {"input": inputs, "scalar": scalars, "state": states, "constant": self.constants}
        memory = [self.place(row, given) for row in self.plan["storages"]]
        for slot in self.status:
            slot[:] = 0
        for number, call in enumerate(self.plan["calls"]):
            if number == self.plan["before"]:
                self.check()  # what follows overwrites the states
            arguments = [memory[i] for i in call["arguments"]]
            if "loop" in call:
                self.repeat(call["loop"], self.bodies[number], arguments)
            elif "sizes" in call:
                row = self.plan["kernels"][call["kernel"]]
                self.kernels[call["kernel"]](*map(tensor, table(row, call["sizes"], arguments)))
            else:
                arguments += [self.status[call["status"]]] if "status" in call else []
                self.kernels[call["kernel"]](*map(tensor, arguments))
        self.check()
        outputs, after = self.plan["outputs"], self.plan["new_states"]
        return [memory[i] for i in outputs], [memory[i] for i in after]

    def place(self, row: Json, given: dict[str, list[Bytes]]) -> Bytes:
        """Where a storage is in this call."""
        if row["place"] == "arena":
            return self.arena[row["offset"] : row["offset"] + size(row)]
        if row["place"] in given:
            return given[row["place"]][row["index"]]
        return buffer(size(row))

    def check(self) -> None:
        """Kernels that look at indices and divisors say what they found."""
        for slot, row in zip(self.status, self.plan["checks"], strict=True):
            flag, found = slot.view(np.int64)[:2]
            if flag:
                raise IndexError(f"{row['what']} met {found} at axis {row['axis']}: {row}")

    def repeat(self, loop: Json, body: Program, arrays: list[Bytes]) -> None:
        """A loop over time: what is carried, constants, sequences; then the results of both."""
        count, first, taken = loop["carries"], loop["carries"] + loop["consts"], len(loop["inputs"])
        carried, fixed, sequences = arrays[:count], arrays[count:first], arrays[first:taken]
        last, stacks = arrays[taken : taken + count], arrays[taken + count :]
        times = range(loop["length"])
        for t in reversed(times) if loop["reverse"] else times:
            parts = [copied(part(x, t, len(times))) for x in sequences]
            results, _ = body.run([*map(copied, carried), *fixed, *parts], [], [])
            carried = results[:count]
            for stack, result in zip(stacks, results[count:], strict=True):
                part(stack, t, len(times))[:] = result
        for target, value in zip(last, [*map(copied, carried)], strict=True):
            target[:] = value


def part(whole: Bytes, index: int, count: int) -> Bytes:
    """One of so many equal parts."""
    length = len(whole) // count
    return whole[index * length : (index + 1) * length]


def table(kernel: Json, sizes: list[int], arguments: list[Bytes]) -> list[Bytes]:
    """For one call over tensors of several sizes: their addresses, piece by piece."""
    chunk, parts, operands = kernel["chunk"], kernel["parts"], kernel["operands"]
    steps = [width(row) * chunk if row["shape"] else 0 for row in operands]
    rows: list[list[int]] = []
    counts: list[int] = []
    for member, elements in enumerate(sizes):
        mine = arguments[member * len(steps) : (member + 1) * len(steps)]
        for piece in range(-(-elements // chunk)):
            rows.append([m.ctypes.data + piece * s for m, s in zip(mine, steps, strict=True)])
            counts.append(min(chunk, elements - piece * chunk))
    data = np.zeros((len(rows), len(steps), TABLE_WORDS), np.uint64)
    data[:, :, 0] = rows
    starts = [len(rows) * part // parts for part in range(parts + 1)]
    return [copied(data), copied(np.array(counts, np.int64)), copied(np.array(starts, np.int64))]


# -- the command line ----------------------------------------------------------------------
def runtime_library() -> Path:
    """TVM's runtime in the package `apache-tvm`, which is not imported."""
    spec = importlib.util.find_spec("tvm")
    for folder in (spec and spec.submodule_search_locations) or []:
        return Path(folder) / "lib" / "libtvm_runtime.so"
    raise SystemExit("--runtime: where is libtvm_runtime.so?")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("batches", type=Path)
    parser.add_argument("--save", type=Path, help="where the state goes")
    parser.add_argument("--runtime", type=Path, help="libtvm_runtime.so")
    options = parser.parse_args()

    files = read_files(options.folder)
    plan = json.loads(files["plan.json"])
    ctypes.CDLL(str(options.runtime or runtime_library()), ctypes.RTLD_GLOBAL)
    library = tvm_ffi.load_module(str((options.folder / "kernels.so").absolute()))
    constants = read_safetensors(files["constants.safetensors"])
    program = Program(plan["program"], library, {k: data for k, (_, data) in constants.items()})
    state = read_safetensors(files["state.safetensors"])
    scalars = [copied(np.array(float(row["value"]), row["dtype"])) for row in plan["scalars"]]
    batches = read_safetensors(options.batches.read_bytes())
    columns = [batches[row["name"]] for row in plan["inputs"]]
    count = columns[0][0]["shape"][0] if columns else 1
    for step in range(count):
        inputs = [copied(part(data, step, count)) for _, data in columns]
        held = [state[row["name"]][1] for row in plan["state"]]
        outputs, after = program.run(inputs, scalars, held)
        for row, memory in zip(plan["state"], after, strict=True):
            state[row["name"]] = (state[row["name"]][0], memory)
        print(outputs[0].view(plan["outputs"][0]["dtype"])[0])
    if options.save:
        write_safetensors(options.save, state)


if __name__ == "__main__":
    main()

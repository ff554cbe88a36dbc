"""Writes ``nngraph/frontend/tensor.pyi``: what type checkers see of ``Tensor``.

The methods are assigned from the functions of ``nngraph/frontend/functional``, so the stub is made
of their signatures. Run it after adding or changing a function; a test compares.

    python scripts/stubs.py          writes the file
    python scripts/stubs.py --check  fails if the file is not what would be written
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "nngraph" / "frontend" / "tensor.pyi"
sys.path.insert(0, str(ROOT))

HEADER = '''\
"""Written by scripts/stubs.py from the functions of nngraph/frontend/functional."""

import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, overload

from nngraph.frontend.base import Size as Size
from nngraph.frontend.base import TensorBase
from nngraph.frontend.generator import Generator
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType

__all__ = [
    "QR",
    "SVD",
    "Extremes",
    "Histogram",
    "Mantissa",
    "MinMax",
    "Number",
    "Operand",
    "SignAndLog",
    "Size",
    "Tensor",
]

Dims = builtins.int | Sequence[builtins.int] | None

class Extremes(NamedTuple):
    values: Tensor
    indices: Tensor

class MinMax(NamedTuple):
    min: Tensor
    max: Tensor

class SignAndLog(NamedTuple):
    sign: Tensor
    logabsdet: Tensor

class Histogram(NamedTuple):
    hist: Tensor
    bin_edges: Tensor

class Mantissa(NamedTuple):
    mantissa: Tensor
    exponent: Tensor

class QR(NamedTuple):
    Q: Tensor
    R: Tensor

class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor

class Tensor(TensorBase):
    grad: Tensor | None
    @property
    def data(self) -> Tensor: ...
    @data.setter
    def data(self, value: TensorBase) -> None: ...
    def detach(self) -> Tensor: ...
'''

FOOTER = """
Number = builtins.float | builtins.int | builtins.bool
Operand = Tensor | Number
"""


def _annotation(text: Any) -> str:
    """Builtin types by their full names: ``Tensor`` has methods called ``float`` and ``int``."""
    return re.sub(r"\b(float|int|bool)\b", r"builtins.\1", str(text))


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}: {_annotation(parameter.annotation)}"
    return text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}"


def _parameters(signature: inspect.Signature, operator: bool) -> Iterator[str]:
    """Those of the method: ``self`` first, without ``out``; of operators the operands only."""
    yield "self"
    starred = False
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.name == "out" or (operator and parameter.kind is parameter.KEYWORD_ONLY):
            continue
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield _parameter(parameter)


def _method(name: str, plain: Callable[..., Any], is_property: bool = False) -> str:
    forms = typing.get_overloads(plain) or [plain]
    lines = []
    for form in forms:
        signature = inspect.signature(form)
        inside = ", ".join(_parameters(signature, name.startswith("__")))
        if is_property:
            lines.append("    @property")
        if len(forms) > 1:
            lines.append("    @overload")
        shown = _annotation(signature.return_annotation)
        lines.append(f"    def {name}({inside}) -> {shown}: ...")
    return "\n".join(lines)


def stub() -> str:
    """The text of the stub, formatted."""
    from nngraph.frontend.functional import OPERATORS, SUBJECTS
    from nngraph.frontend.functional.variants import methods_of

    found = {
        name: _method(name, plain, isinstance(value, property))
        for subject in SUBJECTS
        for name, value, plain in methods_of(subject)
    }
    found.update({name: _method(name, plain) for name, plain in OPERATORS.items()})
    text = HEADER + "\n".join(found[name] for name in sorted(found)) + "\n" + FOOTER
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(STUB), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout


def main() -> int:
    """Writes or checks."""
    text = stub()
    if "--check" in sys.argv:
        return int(not STUB.is_file() or STUB.read_text(encoding="utf-8") != text)
    STUB.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import nngraph
from tests import layout

ROOT = Path(__file__).resolve().parent.parent
OWN = sorted((ROOT / "nngraph").rglob("*.py"))
CODE = sorted(
    path
    for folder in ("nngraph", "tests", "examples", "benchmarks", "scripts")
    for path in (ROOT / folder).rglob("*.py")
)

# `path:Class.function` to the reason why it is longer than the limit.
LONG_FUNCTIONS: dict[str, str] = {
    "nngraph/nn/functional/attention.py:multi_head_attention_forward": (
        "PyTorch's 25 parameters, and what the docstring says of each"
    )
}

# What only tests and people import: walks, the text form that reads back, the verifier, kernels.
TOOLS = (
    "nngraph.ir.analysis",
    "nngraph.ir.equality",
    "nngraph.ir.parser",
    "nngraph.ir.verify",
    "nngraph.backends.tvm.lower.show",
    "nngraph.passes.verify",
)

# Loaded by `import nngraph` in no case, so imported inside functions wherever a layer always loads.
LAZY = ("onnx", "onnxruntime", "tvm", "tvm_ffi", "networkx", "safetensors")
LAZY_OUTSIDE = "nngraph/backends/"


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names(paths: list[Path]) -> dict[str, str]:
    return {relative(path): path.read_text(encoding="utf-8") for path in paths}


def test_layers_import_only_layers_before_them() -> None:
    findings = [f for path, text in names(OWN).items() for f in layout.check_layers(path, text)]
    assert not findings, "\n".join(findings)


def test_optional_packages_are_imported_only_at_home() -> None:
    findings = [f for path, text in names(OWN).items() for f in layout.check_homes(path, text)]
    assert not findings, "\n".join(findings)


def test_optional_packages_are_imported_lazily_outside_backends() -> None:
    findings = [
        f
        for path, text in names(OWN).items()
        if not path.startswith(LAZY_OUTSIDE)
        for f in layout.check_lazy(path, text, LAZY)
    ]
    assert not findings, "\n".join(findings)


def test_no_imports_run_in_a_circle() -> None:
    graph = layout.import_graph(names(OWN))
    assert not layout.file_circles(graph)
    assert not layout.room_circles(graph)


def at_pytorchs_paths() -> list[str]:
    """Modules that users import by the paths which PyTorch has for them."""
    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    torch = Path(spec.origin).parent
    found = []
    for path in OWN:
        inside = path.relative_to(ROOT / "nngraph")
        if any((torch / p).exists() for p in (inside, inside.with_suffix("") / "__init__.py")):
            found.append(layout.module_of(relative(path)))
    return found


def test_every_file_is_used() -> None:
    unused = layout.unreached(
        names(OWN), ("nngraph", "nngraph.__main__", *at_pytorchs_paths(), *TOOLS)
    )
    assert not unused, f"no file of the product imports {sorted(unused)}: delete or use them"


def test_names_that_may_be_unused_exist() -> None:
    listed = (ROOT / "tests" / "unused_names.py").read_text(encoding="utf-8")
    allowed = re.findall(r"^_\.(\w+)$", listed, re.MULTILINE)
    assert len(allowed) == listed.count("\n_.")
    whole = "".join(text for path, text in names(CODE).items() if not path.startswith("tests/"))
    gone = sorted(set(allowed) - set(re.findall(r"\w+", whole)))
    assert not gone, f"take {gone} out of tests/unused_names.py"


def test_files_and_lines_are_short() -> None:
    findings = [f for path, text in names(CODE).items() for f in layout.check_size(path, text)]
    assert not findings, "\n".join(findings)


def test_the_formatter_decides_the_layout() -> None:
    checks = [p for p in CODE if p.name not in ("layout.py", "test_layout.py")]
    findings = [
        f for path, text in names(checks).items() for f in layout.check_formatting(path, text)
    ]
    assert not findings, "\n".join(findings)


def test_functions_are_short() -> None:
    findings = [
        f
        for path, text in names(OWN).items()
        for f in layout.check_functions(path, text, LONG_FUNCTIONS)
    ]
    assert not findings, "\n".join(findings)


def test_allowed_long_functions_exist_and_are_long() -> None:
    found = {
        finding.split(" has ")[0]
        for path, text in names(OWN).items()
        for finding in layout.check_functions(path, text, {})
    }
    assert set(LONG_FUNCTIONS) <= found
    assert all(LONG_FUNCTIONS.values()), "give each one its reason"


def test_package_is_typed_and_has_every_documented_layer() -> None:
    assert nngraph.__file__ is not None
    assert (Path(nngraph.__file__).parent / "py.typed").is_file()
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `nngraph/(\w+)(?:\.py|/)` \|", page, re.MULTILINE)
    assert tuple(rows) == layout.LAYERS


def test_base_dependencies_are_few() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = [re.split("[<>=]", wanted)[0] for wanted in project["dependencies"]]
    assert base == ["click", "ml_dtypes", "networkx", "numpy", "safetensors"]


def test_no_extra_asks_for_both_builds_of_the_runtime() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    gpu = [name for name, wanted in extras["optional-dependencies"].items() if "gpu" in str(wanted)]
    assert gpu == ["onnx-gpu"]


# The checks themselves, on sources that break them.

PASS_FILE = "nngraph/passes/fold.py"


@pytest.mark.parametrize(
    "source",
    [
        "import nngraph.frontend.tensor",
        "from nngraph.frontend import Tensor",
        "from nngraph import nn",
        "import nngraph as ng",
        "def f():\n    from nngraph.runtime import program",
        "if True:\n    class C:\n        def f(self):\n            import nngraph.optim.sgd",
        "import importlib\nimportlib.import_module('nngraph.frontend')",
        "__import__('nngraph.frontend')",
        "from .dce import run",
        "from . import dce",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nngraph.optim import Adam",
    ],
)
def test_layer_check_finds(source: str) -> None:
    assert len(layout.check_layers(PASS_FILE, source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from nngraph.ir.graph import Graph",
        "from nngraph.passes.dce import run",
        "from nngraph import ops",
        "import numpy as np",
        "import nngraphical",
    ],
)
def test_layer_check_lets_pass(source: str) -> None:
    assert layout.check_layers(PASS_FILE, source) == []


def test_layer_check_exempts_the_namespace() -> None:
    source = "from nngraph.optim import Adam\nimport nngraph as ng"
    assert layout.check_layers("nngraph/__init__.py", source) == []


def test_layer_check_refuses_an_unknown_layer() -> None:
    (finding,) = layout.check_layers("nngraph/tools.py", "")
    assert "'tools' is not a layer" in finding


def test_ir_may_not_import_ops_nor_optim_be_imported_by_nn() -> None:
    assert layout.check_layers("nngraph/ir/graph.py", "from nngraph.ops import linalg")
    assert layout.check_layers("nngraph/nn/linear.py", "from nngraph.optim import Adam")
    assert not layout.check_layers("nngraph/optim/swa_utils.py", "from nngraph.nn import Module")


@pytest.mark.parametrize(
    ("path", "source", "findings"),
    [
        ("nngraph/backends/onnx/emit.py", "import onnxruntime as ort", 1),
        ("nngraph/backends/onnx/load.py", "import onnxruntime as ort", 0),
        ("nngraph/backends/onnx/emit.py", "from onnx import helper", 1),
        ("nngraph/backends/onnx/proto.py", "from onnx import ModelProto", 0),
        ("nngraph/frontend/export.py", "def f():\n    from onnx import helper", 1),
        ("nngraph/backends/onnx/load.py", "import tvm", 1),
        ("nngraph/backends/tvm/load.py", "import tvm\nfrom tvm_ffi import Module", 0),
        ("nngraph/backends/tvm/load.py", "from torch import nn", 1),
    ],
)
def test_home_check(path: str, source: str, findings: int) -> None:
    assert len(layout.check_homes(path, source)) == findings


def circles_of(**files: str) -> tuple[list[set[str]], list[set[str]]]:
    """Circles of files and of rooms; `a_b` is the file `p/a/b.py`."""
    sources = {f"p/{name.replace('_', '/', 1)}.py": text for name, text in files.items()}
    graph = layout.import_graph(sources)
    return layout.file_circles(graph), layout.room_circles(graph)


@pytest.mark.parametrize(
    "back",
    [
        "import p.a",
        "from p import a",
        "from p.a import name",
        "def f():\n    from p.a import name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import name",
        "import importlib\nimportlib.import_module('p.a')",
    ],
)
def test_circle_check_finds(back: str) -> None:
    assert circles_of(a="from p.b import x", b="from p.c import x", c=back) == (
        [{"p.a", "p.b", "p.c"}],
        [],
    )


def test_circle_check_lets_pass() -> None:
    plain = {"a": "from p.b import x\nfrom p.c import x", "b": "from p.c import x\nimport q.a"}
    assert circles_of(**plain, c="import numpy") == ([], [])


def test_circle_check_finds_rooms_whose_files_are_in_none() -> None:
    rooms = {"r_a": "from p.s.b import x", "r_c": "", "s_b": "", "s_d": "from p.r.c import x"}
    assert circles_of(**rooms) == ([], [{"p.r", "p.s"}])
    beside = {"r_a": "from p.f import x", "r_c": "", "f": "from p.r.c import x"}
    assert circles_of(**beside) == ([], [{"p.r", "p.f"}])
    assert circles_of(**(beside | {"f": ""})) == ([], [])


def test_circle_check_finds_a_folder_that_gathers_what_imports_it() -> None:
    files, _ = circles_of(r___init__="from p.r.a import x", r_a="from p.r import x")
    assert files == [{"p.r", "p.r.a"}]


def test_use_check() -> None:
    sources = {
        "p/__init__.py": "from p.a import x",
        "p/a.py": "def f():\n    import p.r.b",
        "p/r/__init__.py": "import p.c",
        "p/r/b.py": "ROWS = {1: 'd', 2: 'p.e'}\nimport_module(ROWS[1])",
        "p/r/d.py": "",
        "p/c.py": "TITLE = 'dead'",
        "p/e.py": "",
        "p/dead.py": "from p.deader import x",
        "p/deader.py": "",
    }
    assert layout.unreached(sources, ("p",)) == {"p.dead", "p.deader"}
    assert layout.unreached(sources, ("p", "p.dead")) == set()


def test_lazy_check() -> None:
    assert layout.check_lazy("f.py", "import networkx as nx", LAZY)
    assert layout.check_lazy("f.py", "class C:\n    from networkx import Graph", LAZY)
    assert not layout.check_lazy("f.py", "def f():\n    import networkx as nx", LAZY)


def test_size_check() -> None:
    assert layout.check_size("f.py", "x = 1\n" * 500 + "#" * 100) == ["f.py: 501 lines, over 500"]
    assert layout.check_size("f.py", "#" * 101) == ["f.py:1: 101 characters, over 100"]
    assert layout.check_size("f.py", "x = 1\n" * 500) == []


def test_formatting_check() -> None:
    table = "# fmt: off\nROWS: dict[str, int] = {\n    1:  2,\n}\n# fmt: on\n"
    assert layout.check_formatting("f.py", table) == []
    assert layout.check_formatting("f.py", "x = 1  # fmt: skip") == [
        "f.py:1: `fmt: skip`; the formatter decides the layout"
    ]
    (finding,) = layout.check_formatting("f.py", "# fmt: off\ndef f(): pass\n# fmt: on\n")
    assert finding == "f.py:1: `fmt: off` may stand only before a table"


def test_function_check() -> None:
    body = "    x = 1\n"
    long = "class C:\n    def f(self):\n" + ("    " + body) * 60
    (finding,) = layout.check_functions("f.py", long, {})
    assert finding == "f.py:C.f has 61 lines, over 60"
    assert layout.check_functions("f.py", long, {"f.py:C.f": "a table"}) == []
    assert layout.check_functions("f.py", "def f():\n" + body * 59, {}) == []
    nested = "def f():\n    def g():\n" + ("    " + body) * 60
    assert len(layout.check_functions("f.py", nested, {})) == 2

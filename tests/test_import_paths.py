"""Every module path that PyTorch has for a name which nngraph has is importable, and gives it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import nngraph as ng

PACKAGES = ("nn", "optim", "autograd", "utils.data", "distributions", "amp", "cuda.amp", "cpu.amp")

#: Paths that PyTorch has for names of another meaning, or for what is refused whole.
NOT_OURS = ("utils.data.datapipes", "nn.quantized", "nn.qat", "nn.quantizable", "nn.intrinsic")

#: Classes that share a name with another one above them.
NAMESAKES = {
    ("nn.utils.prune", "Identity"),
    ("distributions.constraints", "independent"),
    ("distributions.constraints", "multinomial"),
}

#: What scripts write: a path, and names that they import from it.
WRITTEN = """
    autograd: Variable Function grad backward no_grad
    autograd.variable: Variable
    autograd.function: Function once_differentiable
    autograd.grad_mode: no_grad enable_grad set_grad_enabled inference_mode
    cuda.amp: autocast GradScaler
    amp: autocast GradScaler
    nn: Module Parameter functional init utils parameter
    nn.parameter: Parameter Buffer UninitializedParameter
    nn.common_types: _size_1_t _size_2_t _size_2_opt_t _size_any_t _ratio_2_t _maybe_indices_t
    nn.functional: relu cross_entropy
    nn.init: xavier_uniform_ kaiming_normal_ _calculate_fan_in_and_fan_out
    nn.modules: Module Linear Conv2d BatchNorm2d
    nn.modules.activation: ReLU MultiheadAttention
    nn.modules.batchnorm: BatchNorm2d _BatchNorm _NormBase LazyBatchNorm1d
    nn.modules.container: Sequential ModuleList ModuleDict ParameterList
    nn.modules.conv: Conv2d _ConvNd _ConvTransposeNd LazyConv2d
    nn.modules.dropout: Dropout _DropoutNd
    nn.modules.instancenorm: InstanceNorm2d _InstanceNorm
    nn.modules.lazy: LazyModuleMixin
    nn.modules.linear: Linear Identity NonDynamicallyQuantizableLinear LazyLinear
    nn.modules.loss: _Loss _WeightedLoss CrossEntropyLoss MSELoss
    nn.modules.module: Module register_module_forward_hook
    nn.modules.normalization: LayerNorm GroupNorm
    nn.modules.pooling: MaxPool2d AdaptiveAvgPool2d _MaxPoolNd _AvgPoolNd
    nn.modules.rnn: LSTM GRU RNNBase
    nn.modules.transformer: Transformer TransformerEncoderLayer
    nn.modules.utils: _ntuple _pair _single _triple _quadruple _reverse_repeat_tuple
    nn.parallel: DataParallel DistributedDataParallel
    nn.parallel.distributed: DistributedDataParallel
    nn.parallel.data_parallel: DataParallel
    nn.utils: clip_grad_norm_ parameters_to_vector weight_norm
    nn.utils.rnn: pack_padded_sequence pad_packed_sequence pad_sequence PackedSequence
    nn.utils.clip_grad: clip_grad_norm_ clip_grad_value_
    optim: Optimizer Adam SGD lr_scheduler swa_utils
    optim.optimizer: Optimizer required
    optim.adam: Adam
    optim.adamw: AdamW
    optim.sgd: SGD
    optim.lr_scheduler: LRScheduler _LRScheduler StepLR ReduceLROnPlateau
    optim.swa_utils: AveragedModel SWALR
    types: Device Number
    version: __version__ cuda
    random: manual_seed get_rng_state set_rng_state fork_rng initial_seed seed
    functional: einsum norm split meshgrid
    serialization: load save
    compiler: compile disable is_compiling reset
    jit: script trace ignore unused export is_scripting is_tracing Final annotate
    fx: symbolic_trace wrap
    onnx: export is_in_onnx_export
    profiler: profile record_function ProfilerActivity schedule
    testing: assert_close
    distributed: is_available
    multiprocessing: Process Queue Pool spawn get_context set_start_method
    hub: load load_state_dict_from_url
    __config__: show parallel_info
    backends.cudnn: benchmark deterministic enabled is_available
    backends.mps: is_available
    utils.model_zoo: load_url
    utils.data: Dataset DataLoader TensorDataset random_split
    utils.data.dataset: Dataset TensorDataset Subset
    utils.data.dataloader: DataLoader default_collate
    utils.data.sampler: Sampler RandomSampler WeightedRandomSampler
    distributions: Normal Categorical kl_divergence
    distributions.normal: Normal
    linalg: norm inv
    fft: fftshift
    func: functional_call
"""


def paths(package: str) -> Iterator[str]:
    """The public modules of a package of PyTorch's, without ``torch.``."""
    yield package
    module = importlib.import_module(f"torch.{package}")
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        path = f"{package}.{info.name}"
        if not info.name.startswith("_") and not path.startswith(NOT_OURS):
            yield from paths(path)


def defined(path: str) -> list[str]:
    """The public classes that a module of PyTorch's defines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"torch.{path}")
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_"
    ]


def known(path: str, name: str) -> Any:
    """What a package above the module calls so; None if none does."""
    above = path.rpartition(".")[0]
    while above:
        try:
            module = importlib.import_module(f"nngraph.{above}")
        except ModuleNotFoundError:
            module = None
        if hasattr(module, name):
            return getattr(module, name)
        above = above.rpartition(".")[0]
    return None


WALKED = [path for package in PACKAGES for path in paths(package)]


def test_the_walk_sees_pytorchs_files() -> None:
    assert {"nn.modules.rnn", "optim.adam", "utils.data.sampler", "distributions.beta"} <= {*WALKED}
    assert "LSTM" in defined("nn.modules.rnn") and known("nn.modules.rnn", "LSTM") is ng.nn.LSTM
    assert known("nn.modules.rnn", "no such name") is None


@pytest.mark.parametrize("path", WALKED)
def test_classes_are_at_pytorchs_paths(path: str) -> None:
    names = [n for n in defined(path) if (path, n) not in NAMESAKES]
    wanted = {n: v for n in names if (v := known(path, n)) is not None}
    if not wanted:
        return
    module = importlib.import_module(f"nngraph.{path}")
    assert not [name for name, value in wanted.items() if getattr(module, name, None) is not value]


@pytest.mark.parametrize("line", [line.strip() for line in WRITTEN.strip().splitlines()])
def test_what_scripts_import(line: str) -> None:
    path, _, names = line.partition(": ")
    for library in ("torch", "nngraph"):
        if library == "torch" and path.startswith("backends."):
            continue  # these are no modules with names there: `import torch.backends.cudnn`
        scope: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(f"from {library}.{path} import {', '.join(names.split())}", scope)


def test_modules_are_attributes_and_loaded_late() -> None:
    code = (
        "import sys, nngraph as ng; before = set(sys.modules); "
        "late = {f'nngraph.{n}' for n in ng._LATER} - {'nngraph.einops'}; "
        "assert not late & before, late & before; "
        "[getattr(ng, n) for n in ng._LATER]; assert late <= set(sys.modules); "
        "assert not {'torch', 'onnx', 'onnxruntime', 'tvm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {*ng._LATER} <= {*dir(ng)}
    assert all(hasattr(torch, name) for name in ng._LATER)


# -- what the modules do -----------------------------------------------------------------------

REFUSED = {
    "jit.script(ng.nn.ReLU())": "ng.compile",
    "jit.trace(len, ())": "ng.compile",
    "jit.save(len, 'x')": "ng.export",
    "jit.load('x')": "ng.save",
    "fx.symbolic_trace(len)": "ng.trace",
    "onnx.export(len, (), 'x')": "ng.export",
    "hub.load('a/b', 'c')": "load_state_dict",
    "hub.load_state_dict_from_url('http://x')": "ng.load",
    "profiler.profile()": "cProfile",
    "utils.model_zoo.load_url('http://x')": "ng.load",
    "distributed.init_process_group('gloo')": "one process",
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_elsewhere_says_where(call: str) -> None:
    with pytest.raises(NotImplementedError, match=REFUSED[call]):
        eval(f"ng.{call}")


def test_marks_give_functions_back() -> None:
    def f(x: Any) -> Any:
        return x

    for library in (torch, ng):
        jit, compiler = library.jit, library.compiler
        assert not jit.is_scripting() and not jit.is_tracing() and not compiler.is_compiling()
        assert jit.ignore(f) is f and jit.unused(f) is f and jit.export(f) is f
        assert ng.jit.script(f) is f
        assert jit.ignore()(f)(3) == 3 and jit.annotate(int, 3) == 3
        assert jit.isinstance(3, int) and compiler.disable(f)(3) == compiler.disable()(f)(3) == 3
        with library.profiler.record_function("step"):
            assert library.profiler.record_function("f")(f)(3) == 3


def test_whether_a_function_is_traced() -> None:
    compiled = ng.compile(
        lambda x: x + ng.compiler.is_compiling() + 2 * ng.jit.is_tracing(), backend="reference"
    )
    assert compiled(ng.zeros(1)).item() == 3 and not ng.compiler.is_compiling()


def test_one_process() -> None:
    from nngraph import distributed as dist

    assert not dist.is_available() and not dist.is_initialized()
    with pytest.raises(ValueError, match="has not been initialized"):
        dist.get_rank()
    for library in (torch, ng):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            library.nn.parallel.DistributedDataParallel(library.nn.Linear(1, 1))
        assert not isinstance(library.nn.ReLU(), library.nn.parallel.DistributedDataParallel)


def test_a_required_option_of_an_optimizer() -> None:
    def given(library: Any) -> list[Any]:
        required = importlib.import_module(f"{library.__name__}.optim.optimizer").required

        class Plain(library.optim.Optimizer):  # type: ignore[name-defined]
            def __init__(self, params: Any, lr: Any = required) -> None:
                super().__init__(params, {"lr": lr})

        weight = library.ones(1, requires_grad=True)
        with pytest.raises(ValueError, match="required optimization parameter lr"):
            Plain([weight])
        return [Plain([{"params": [weight], "lr": 0.5}]).param_groups[0]["lr"], repr(required)]

    assert given(ng) == given(torch) == [0.5, "<required parameter>"]


def test_config_and_backends() -> None:
    assert ng.__version__ in ng.__config__.show() and "reference" in ng.__config__.show()
    assert str(ng.get_num_threads()) in ng.__config__.parallel_info()
    assert ng.compiler.list_backends()[0] == "reference"


def test_fork_rng() -> None:
    ng.manual_seed(3)
    wanted = ng.rand(2).tolist()
    ng.manual_seed(3)
    with ng.random.fork_rng():
        ng.rand(5)
    assert ng.rand(2).tolist() == wanted
    with ng.random.fork_rng(enabled=False):
        ng.manual_seed(3)
    assert ng.rand(2).tolist() == wanted


def test_tuples_of_layers() -> None:
    ours, theirs = ng.nn.modules.utils, torch.nn.modules.utils
    for name in ("_single", "_pair", "_triple", "_quadruple"):
        for value in (2, (1, 2, 3), [1], range(2), "ab"):
            assert getattr(ours, name)(value) == getattr(theirs, name)(value)
    assert ours._reverse_repeat_tuple((1, 2), 2) == theirs._reverse_repeat_tuple((1, 2), 2)
    args = [None, 5], [1, 2, 3]
    assert ours._list_with_default(*args) == theirs._list_with_default(*args)

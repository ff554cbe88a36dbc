"""Devices: the type, where it is an argument, and what PyTorch's code asks about machines.

PyTorch on the CPU is the oracle: the same text gives the same value, or the same kind of error.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch

import nngraph as ng
from nngraph import nn
from tests.frontend.parity import attempt

VALUES = """
    m.device('cpu')
    m.device('cuda', 0)
    m.device('cuda:12')
    m.device(type='cuda', index=1)
    m.device(device='mps')
    m.device(m.device('xpu:1'))
    m.device('meta'), m.device('hpu'), m.device('privateuseone'), m.device('xla'), m.device('hip')
    m.device('cpu') == 'cpu'
    m.device('cpu') == m.device('cpu'), m.device('cpu') == m.device('cpu', 0)
    m.device('cuda') != m.device('cuda:0'), m.device('cuda', 0) == m.device('cuda:0')
    len({m.device('cpu'), m.device('cpu'), m.device('cuda')})
    {m.device('cuda:1'): 5}[m.device('cuda', 1)]
    str(m.device('cuda:1')), f"{m.device('cpu')}", '%s' % m.device('mps')
    m.device('cpu').type, m.device('cpu').index, m.device('cuda:3').index
    v.device, v.device.type, v.device.index, v.device == m.device('cpu'), v.device != 'cuda'
    m.zeros(2, device='cpu:0').device, m.zeros(2, device=m.device('cpu')).device
    v.to('cpu').device, v.to(m.device('cpu'), m.float64).dtype, v.to(v.device) is v
    v.to('cpu', m.float16, True, copy=True).dtype
    v.to(m.float32, False, True) is v, v.to(m.float32, True) is v
    v.to(device='cpu', dtype=m.float64, non_blocking=True, memory_format=m.preserve_format).dtype
    v.cpu() is v, v.cpu(memory_format=m.preserve_format) is v
    v.is_cuda, v.is_cpu, v.is_xpu, v.is_mps, v.is_meta, v.is_mkldnn, v.is_quantized, v.is_ipu
    v.is_sparse, v.is_sparse_csr, v.is_nested, v.is_mtia, v.is_vulkan, v.is_xla, v.is_maia
    v.get_device(), v.is_pinned()
    m.cuda.is_available(), m.cuda.device_count(), m.cuda.is_initialized()
    m.cuda.is_bf16_supported(), m.cuda.is_tf32_supported()
    m.cuda.empty_cache(), m.cuda.manual_seed(1), m.cuda.manual_seed_all(1), m.cuda.seed_all()
    m.cuda.memory_allocated(), m.cuda.max_memory_allocated(0), m.cuda.memory_reserved()
    m.cuda.max_memory_reserved(device='cuda'), m.cuda.memory_stats()
    m.cuda.get_arch_list(), m.cuda.get_rng_state_all(), m.cuda.set_rng_state_all([])
    m.cuda.set_device(-1), m.cuda.device_of(v).__enter__()
    m.cuda.stream(None).__enter__(), issubclass(m.cuda.OutOfMemoryError, RuntimeError)
    m.cuda.OutOfMemoryError is m.OutOfMemoryError, isinstance(v, m.cuda.FloatTensor)
    m.accelerator.is_available(), m.accelerator.current_accelerator(), m.accelerator.device_count()
    m.accelerator.current_accelerator(check_available=True)
    m.mps.is_available(), m.mps.device_count(), m.xpu.is_available(), m.xpu.device_count()
    m.backends.mps.is_available(), m.backends.mps.is_built()
    m.cpu.is_available(), m.cpu.device_count(), m.cpu.current_device(), m.cpu.synchronize()
    m.backends.cudnn.is_available(), m.backends.cudnn.enabled, m.backends.cudnn.benchmark
    m.backends.cudnn.deterministic, m.backends.cudnn.allow_tf32, m.backends.cudnn.version()
    m.backends.cuda.is_built(), m.backends.cuda.matmul.allow_tf32
    m.backends.cuda.flash_sdp_enabled(), m.backends.cuda.math_sdp_enabled()
    m.backends.mkldnn.enabled, m.backends.cudnn.is_acceptable(v)
    m.set_default_device('cpu'), m.get_default_device()
    m.set_default_device(None), m.get_default_device()
    v.layout is m.strided, m.zeros(2, layout=m.strided).layout is m.strided
    v.is_contiguous(), q.is_contiguous(memory_format=m.contiguous_format)
    q.is_contiguous(memory_format=m.channels_last), v.is_contiguous(memory_format=m.channels_last)
    q.permute(0, 3, 1, 2).is_contiguous(memory_format=m.channels_last)
    v.contiguous(memory_format=m.contiguous_format) is v
    v.float(memory_format=m.preserve_format).dtype, v.half().dtype
    m.ones(2, 3, pin_memory=False).shape, m.empty(1, memory_format=m.contiguous_format).shape
    v.new_zeros(2, layout=m.strided, pin_memory=False, device='cpu').dtype
    m.as_tensor([1.0], device='cpu').device, m.tensor([1], device='cpu', pin_memory=False).device
    m.nn.Linear(2, 3, device='cpu').weight.device, m.nn.Linear(2, 2, device=v.device).bias.device
"""

REFUSALS = """
    m.device('foo')  m.device('cuda:x')  m.device('cuda:-1')  m.device('cuda:01')
    m.device('cuda:')  m.device(':1')  m.device('')  m.device('cpu', -1)  m.device('cuda', '0')
    m.device('cuda:0', 1)  m.device(m.device('cpu'), 0)  m.device()  m.device(None)  m.device(1.5)
    m.device(True)  m.device(0)  m.device('cpu') < m.device('cuda')
    setattr(m.device('cpu'), 'type', 'x')  setattr(m.device('cpu'), 'foo', 1)
    m.zeros(2, device='cuda')  m.ones(2, device='xpu')  m.zeros(2, device=0)
    m.zeros(2, device='foo')  m.zeros(2, device=1.5)  m.arange(3, device='cuda')
    m.rand(3, device='cuda')  m.randint(3, (2,), device='cuda')  m.zeros_like(v, device='cuda')
    m.tensor([1.], device='cuda')  m.as_tensor([1.], device='cuda')
    m.full((2,), 1, device='cuda')  m.eye(2, device='cuda')  m.linspace(0, 1, 3, device='cuda')
    v.new_zeros(2, device='cuda')  v.new_tensor([1], device='cuda')
    v.new_full((2,), 1, device=m.device('cuda:0'))  v.to('cuda')  v.to(device='cuda')  v.to(0)
    v.to(m.device('cuda'))  v.cuda()  v.cuda(0)  v.xpu()  v.pin_memory()
    m.zeros(2, pin_memory=True)  m.zeros(2, layout='x')  m.cuda.current_device()
    m.cuda.get_device_name(0)  m.cuda.synchronize()  m.cuda.get_device_capability()
    m.cuda.get_device_properties(0)  m.cuda.initial_seed()  m.cuda.mem_get_info()  m.cuda.init()
    m.cuda.current_stream()  m.cuda.Stream()  m.cuda.Event()  m.cuda.Event(enable_timing=True)
    m.cuda.CUDAGraph()  m.cuda.FloatTensor(2)  m.cuda.get_rng_state()  m.accelerator.synchronize()
    m.accelerator.current_device_index()  m.accelerator.set_device_index(0)
    m.accelerator.memory_allocated()  m.mps.synchronize()  m.mps.empty_cache()
    m.xpu.synchronize()  m.set_default_device('bad')  m.nn.Linear(2, 2, device='cuda')
    m.nn.Linear(2, 2).to('cuda')  m.nn.Linear(2, 2).cuda()
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def shown(value: Any) -> Any:
    return repr(value).replace("torch.", "nngraph.")


@pytest.mark.parametrize("text", lines(VALUES))
def test_values(text: str) -> None:
    wanted, error = attempt(torch, text)
    assert error is None, f"PyTorch refuses {text}: {error}"
    got, raised = attempt(ng, text)
    assert raised is None, raised
    assert shown(got) == shown(wanted)


@pytest.mark.parametrize("text", [t for line in lines(REFUSALS) for t in line.split("  ")])
def test_refusals(text: str) -> None:
    _, error = attempt(torch, text)
    assert error is not None, f"PyTorch takes {text}"
    got, raised = attempt(ng, text)
    assert isinstance(raised, type(error)), f"PyTorch raises {error!r}, nngraph {raised or got!r}"


# What PyTorch takes only because it has what nngraph has not.
OWN_REFUSALS = {
    "m.zeros(2, device='meta')": (NotImplementedError, "without elements"),
    "m.sparse_coo": (AttributeError, "no sparse tensors"),
    "m.device('cuda').__enter__()": (AssertionError, "ng.compile"),
    "m.device('meta').__enter__()": (NotImplementedError, "ng.spec"),
    "m.set_default_device('cuda')": (AssertionError, "ng.compile"),
    "m.set_default_device('meta')": (NotImplementedError, "without elements"),
    "m.cuda.set_device(0)": (AssertionError, "no device 'cuda'"),
    "m.cuda.set_device('cuda:0')": (AssertionError, "no device 'cuda'"),
    "m.cuda.device(0).__enter__()": (AssertionError, "no device 'cuda'"),
    "m.cuda.set_rng_state_all([1])": (AssertionError, "no device 'cuda'"),
    "m.accelerator.device_index(0).__enter__()": (RuntimeError, "none is available"),
    "m.zeros(2, device='mps')": (RuntimeError, "no device 'mps'"),
}


@pytest.mark.parametrize("text", OWN_REFUSALS)
def test_what_nngraph_has_not_is_refused(text: str) -> None:
    kind, words = OWN_REFUSALS[text]
    with pytest.raises(kind, match=words):
        eval(text, {"m": ng})
    assert ng.get_default_device() == ng.device("cpu")


def test_copies_of_devices() -> None:
    for device in (ng.device("cpu"), ng.device("cuda", 1)):
        assert pickle.loads(pickle.dumps(device)) == device == copy.deepcopy(device)
    for layout in (ng.strided, ng.channels_last):
        assert pickle.loads(pickle.dumps(layout)) is layout


def test_context() -> None:
    with ng.device("cpu") as device, ng.device("cpu:0"):
        assert ng.zeros(2).device == device
        assert ng.get_default_device() == ng.device("cpu", 0)
    assert ng.get_default_device() == ng.device("cpu")


def test_pytorchs_own_devices_are_taken() -> None:
    assert ng.zeros(2, device=torch.device("cpu")).shape == (2,)
    with pytest.raises(AssertionError, match="no device 'cuda:1'"):
        ng.zeros(2, device=torch.device("cuda:1"))


MODULES = {
    "AdaptiveLogSoftmaxWithLoss": (4, 6, [2]),
    "Bilinear": (2, 2, 2),
    "GroupNorm": (2, 4),
    "LinearCrossEntropyLoss": (4, 3),
    "MultiheadAttention": (4, 2),
    "PReLU": (),
    "RNNBase": ("LSTM", 2, 2),
    "RNNCellBase": (2, 2, True, 1),
    "LayerNorm": (4,),
    "RMSNorm": (4,),
    "Transformer": (4, 2, 1, 1, 4),
    "TransformerDecoderLayer": (4, 2, 4),
    "TransformerEncoderLayer": (4, 2, 4),
}


def with_a_device() -> list[str]:
    classes = {n: c for n, c in vars(nn).items() if inspect.isclass(c) and hasattr(c, "__init__")}
    return [n for n, c in classes.items() if "device" in inspect.signature(c).parameters]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("name", with_a_device())
def test_modules_are_on_the_cpu(name: str) -> None:
    kind = getattr(nn, name)
    required = [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    arguments = MODULES.get(name, (2,) * len(required))
    options = {"affine": True} if "Norm" in name and "Instance" in name else {}
    kind(*arguments, device="cpu", **options)
    with pytest.raises(AssertionError, match="no device 'cuda'"):
        kind(*arguments, device="cuda", **options)


def test_an_ordinary_script_finds_the_cpu() -> None:
    device = ng.device("cuda" if ng.cuda.is_available() else "cpu")
    if ng.accelerator.is_available():
        device = ng.accelerator.current_accelerator()
    model = nn.Linear(3, 2).to(device, non_blocking=True)
    x = ng.ones(4, 3).to(device)
    assert next(model.parameters()).device == device == model(x).device
    compiled = ng.compile(lambda x: model(x).to(x.device).sum(), backend="reference")
    assert compiled(x).device == device


def test_switches_are_kept() -> None:
    import nngraph.backends.cudnn as cudnn

    assert cudnn is ng.backends.cudnn
    with cudnn.flags(enabled=False, benchmark=True):
        assert cudnn.benchmark and not cudnn.enabled
    assert cudnn.enabled and not cudnn.benchmark
    try:
        cudnn.benchmark = True
        assert ng.backends.cudnn.benchmark
    finally:
        cudnn.benchmark = False
    with ng.backends.cuda.sdp_kernel(enable_flash=False):
        assert not ng.backends.cuda.flash_sdp_enabled()
    assert ng.backends.cuda.flash_sdp_enabled()
    with pytest.raises(AttributeError, match="cudn"):
        ng.backends.cudn  # noqa: B018


def test_modules_of_devices_are_loaded_when_they_are_asked_for() -> None:
    code = (
        "import sys, nngraph as ng; "
        "late = [f'nngraph.{n}' for n in ('cuda', 'accelerator', 'mps', 'backends.cudnn')]; "
        "assert not set(late) & set(sys.modules); "
        "ng.cuda.is_available(); ng.backends.cudnn.enabled; import nngraph.accelerator; "
        "assert set(sys.modules) >= {*late} - {'nngraph.mps'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

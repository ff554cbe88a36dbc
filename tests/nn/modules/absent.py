"""What ``torch.nn`` and ``torch.nn.functional`` have and nngraph has not, each with its reason."""

from __future__ import annotations

__all__ = ["ABSENT_CLASSES", "ABSENT_FUNCTIONS", "OTHERWISE_TESTED"]

_GPU = "a product that PyTorch has for GPUs only"

ABSENT_CLASSES: dict[str, str] = {
    "Container": "deprecated for ten years; PyTorch warns when it is made"
}

ABSENT_FUNCTIONS: dict[str, str] = {
    "assert_int_or_pair": "a helper of PyTorch's own checks",
    "boolean_dispatch": "a helper of PyTorch's own script compiler",
    "handle_torch_function": "a helper of PyTorch's own overrides",
    "has_torch_function": "a helper of PyTorch's own overrides",
    "has_torch_function_unary": "a helper of PyTorch's own overrides",
    "has_torch_function_variadic": "a helper of PyTorch's own overrides",
    "grouped_mm": _GPU,
    "scaled_grouped_mm": _GPU,
    "scaled_mm": _GPU,
}

#: Classes that no table has, and where they are tested instead.
OTHERWISE_TESTED: dict[str, str] = {
    **dict.fromkeys(
        ["Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"],
        "holds others: tests/nn/test_module.py",
    ),
    **dict.fromkeys(["Buffer", "Parameter"], "a kind of tensor: tests/nn/test_module.py"),
    **dict.fromkeys(
        ["UninitializedBuffer", "UninitializedParameter"], "a kind of tensor: tests/nn/test_lazy.py"
    ),
    **dict.fromkeys(
        [
            "LazyLinear",
            *(
                f"Lazy{kind}{n}d"
                for kind in ("BatchNorm", "Conv", "ConvTranspose", "InstanceNorm")
                for n in (1, 2, 3)
            ),
        ],
        "becomes the class without *Lazy* at its first call: tests/nn/test_lazy.py",
    ),
    **dict.fromkeys(
        ["TransformerDecoder", "TransformerEncoder"],
        "are made of layers: tests/nn/test_transformer.py",
    ),
    "DataParallel": "calls its module, on one device: tests/nn/test_one_process.py",
}

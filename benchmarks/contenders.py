"""Who takes part: each contender turns a case into a function that runs one step.

A step returns when its work is finished, as a user would see it: with a loss, or with outputs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.case import Case
from benchmarks.frameworks import Framework, load_weights, nngraph_framework, torch_framework
from benchmarks.workloads import loss_of, make_train_step

Step = Callable[[int], Any]
Wrap = Callable[[Any], Any]


def prepare(fw: Framework, case: Case) -> tuple[Any, list[tuple[Any, Any]]]:
    """The model with the shared weights, in the case's mode, and the batches as tensors."""
    model = case.workload.build(fw, case.small)
    load_weights(fw, model, case.weights())
    batches = [(fw.from_numpy(x), fw.from_numpy(y)) for x, y in case.batches()]
    return model.train(case.training), batches


def torch_step(case: Case, wrap: Wrap = lambda function: function) -> Step:
    """PyTorch; ``wrap`` may compile the forward pass and the loss (PyTorch's backward follows)."""
    import torch

    torch.set_num_threads(case.threads)
    fw = torch_framework()
    model, batches = prepare(fw, case)
    if not case.training:
        return inference_step(fw, wrap(model), batches)
    optimizer = case.workload.build_optimizer(fw, model)
    train_step = make_train_step(optimizer, wrap(partial(loss_of, fw, model)))
    return lambda index: train_step(*batches[index % len(batches)])


def inference_step(fw: Framework, model: Any, batches: list[tuple[Any, Any]]) -> Step:
    """Calls the model under ``no_grad``."""

    def step(index: int) -> Any:
        with fw.no_grad():
            return model(batches[index % len(batches)][0])

    return step


def compiled_torch_step(case: Case) -> Step:
    """``torch.compile`` with its defaults."""
    import torch

    return torch_step(case, torch.compile)


def nngraph_step(case: Case, backend: str | None) -> Step:
    """The whole training step (or the model) compiled for ``backend``; None runs it eagerly."""
    import nngraph as ng

    fw = nngraph_framework()
    model, batches = prepare(fw, case)
    cache = str(case.path(f"cache-{backend}"))
    compiled = partial(ng.compile, backend=backend, threads=case.threads, cache=cache)
    wrap: Wrap = (lambda function: function) if backend is None else compiled
    if not case.training:
        return inference_step(fw, wrap(model), batches)
    optimizer = case.workload.build_optimizer(fw, model)
    train_step = wrap(make_train_step(optimizer, partial(loss_of, fw, model)))
    return lambda index: train_step(*batches[index % len(batches)])


def parts_step(case: Case, backend: str) -> Step:
    """Model and loss compiled, and the optimizer's step: what calls them is a loop of Python's."""
    import nngraph as ng

    fw = nngraph_framework()
    model, batches = prepare(fw, case)
    cache = str(case.path(f"cache-{backend}-parts"))
    compiled = partial(ng.compile, backend=backend, threads=case.threads, cache=cache)
    if not case.training:
        return inference_step(fw, compiled(model), batches)
    optimizer = case.workload.build_optimizer(fw, model)
    loss, update = compiled(partial(loss_of, fw, model)), compiled(optimizer.step)

    def step(index: int) -> Any:
        optimizer.zero_grad()
        value = loss(*batches[index % len(batches)])
        value.backward()
        update()
        return value.detach()

    return step


def jax_step(case: Case) -> Step:
    """``jax.jit`` of the whole step, with donated parameters."""
    import jax

    from benchmarks import jax_models

    parameters, buffers = jax_models.split_weights(case.weights())
    batches = [(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in case.batches()]
    if not case.training:
        network = jax_models.network(case.workload, case.small)
        apply = jax.jit(lambda p, b, x: network(p, b, x, False)[0])
        return lambda index: apply(
            parameters, buffers, batches[index % len(batches)][0]
        ).block_until_ready()
    train_step = jax_models.make_train_step(case.workload, case.small)
    state = jax_models.initial_state(case.workload, parameters)
    carried = (parameters, buffers, state, jax.numpy.zeros((), jax.numpy.int32))

    def step(index: int) -> Any:
        nonlocal carried
        *updated, loss = jax.block_until_ready(train_step(*carried, *batches[index % len(batches)]))
        carried = tuple(updated)
        return loss

    return step


PEERS: dict[str, Callable[[Case], Step]] = {
    "eager": torch_step,
    "compile": compiled_torch_step,
    "jax": jax_step,
}
OURS: dict[str, Callable[[Case], Step]] = {
    "onnx": partial(nngraph_step, backend="onnx"),
    "tvm": partial(nngraph_step, backend="tvm"),
    "onnx-parts": partial(parts_step, backend="onnx"),
    "tvm-parts": partial(parts_step, backend="tvm"),
    "reference": partial(nngraph_step, backend="reference"),
    "nngraph-eager": partial(nngraph_step, backend=None),
}
CONTENDERS = PEERS | OURS
DEFAULT = ("eager", "compile", "jax", "onnx", "tvm")
TITLES = {
    "eager": "PyTorch eager",
    "compile": "torch.compile",
    "jax": "JAX jit",
    "onnx": "nngraph onnx",
    "tvm": "nngraph tvm",
    "onnx-parts": "nngraph onnx, in parts",
    "tvm-parts": "nngraph tvm, in parts",
    "reference": "nngraph reference",
    "nngraph-eager": "nngraph eager",
}
# The package without which a contender cannot take part.
NEEDS = {
    "jax": "jax",
    "onnx": "onnxruntime",
    "tvm": "tvm",
    "onnx-parts": "onnxruntime",
    "tvm-parts": "tvm",
}


def missing_package(name: str) -> str | None:
    """The package that has to be installed before ``name`` can take part, if any."""
    package = NEEDS.get(name)
    return package if package and importlib.util.find_spec(package) is None else None

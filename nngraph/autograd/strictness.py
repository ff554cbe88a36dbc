"""What ``strict`` of ``autograd.functional`` refuses: results that do not depend on an input."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nngraph.ops.creation import zeros_like

__all__ = ["Stage", "Strictness"]


class Stage(enum.Enum):
    """Which backward pass gave the gradients; the value says what is missing where one is None."""

    BACK = "The output of the user-provided function is independent of input {}."
    BACK_TRICK = (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs "
        "when using the double backward trick to compute forward mode gradients."
    )
    DOUBLE_BACK = "The jacobian of the user-provided function is independent of input {}."
    DOUBLE_BACK_TRICK = (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian."
    )


@dataclass(frozen=True)
class Strictness:
    """Checks that do something where they are asked for only.

    Attributes:
        is_strict: whether they are.
        create_graph: whether results have to depend on the inputs, too.
    """

    is_strict: bool
    create_graph: bool

    def _refuse_if(self, is_missing: bool, text: str) -> None:
        if self.is_strict and is_missing:
            raise RuntimeError(text)

    def outputs(self, tensors: Sequence[Any]) -> None:
        """Results of the function."""
        for place, tensor in enumerate(tensors):
            self._refuse_if(
                not tensor.requires_grad,
                f"Output {place} of the user-provided function does not require gradients. The "
                "outputs must be computed in a differentiable manner from the input when running "
                "in strict mode.",
            )

    def _there(self, tensors: Sequence[Any], text: str) -> None:
        for place, tensor in enumerate(tensors):
            self._refuse_if(
                tensor is None,
                f"The output of the user-provided function is independent of input {place}. This "
                "is not allowed in strict mode.",
            )
            self._refuse_if(tensor is not None and not tensor.requires_grad, text.format(place))

    def gradients(self, tensors: Sequence[Any]) -> None:
        """Gradients that are differentiated by what came back into them."""
        self._there(
            tensors,
            "The gradient with respect to input {} is independent of the inputs of the "
            "user-provided function. This is not allowed in strict mode.",
        )

    def jacobian(self, tensors: Sequence[Any]) -> None:
        """First derivatives, of which there are to be second ones."""
        self._there(
            tensors,
            "While computing the hessian, found that the jacobian of the user-provided function "
            "with respect to input {} is independent of the input. This is not allowed in strict "
            "mode. You should ensure that your function is twice differentiable and that the "
            "jacobian depends on the inputs (this would be violated by a linear function for "
            "example).",
        )

    def hessian(self, tensors: Sequence[Any]) -> None:
        """First derivatives of a function whose second ones are to be differentiated."""
        self._there(
            tensors,
            "The hessian of the user-provided function with respect to input {} is independent of "
            "the input. This is not allowed in strict mode. You should ensure that your function "
            "is thrice differentiable and that the hessian depends on the inputs.",
        )

    def row(self, output: int, gradients: Sequence[Any]) -> None:
        """A row of a Jacobian, by each input."""
        for place, gradient in enumerate(gradients):
            self._refuse_if(
                gradient is None,
                f"Output {output} of the user-provided function is independent of input {place}. "
                "This is not allowed in strict mode.",
            )
            self._refuse_if(
                self.create_graph and gradient is not None and not gradient.requires_grad,
                "The jacobian of the user-provided function is independent of input "
                f"{output}. This is not allowed in strict mode when create_graph=True.",
            )

    def filled(
        self, gradients: Sequence[Any], tensors: Sequence[Any], stage: Stage
    ) -> tuple[Any, ...]:
        """The gradients, with zeros in the place of those that are not there."""
        kind = "hessian" if stage in (Stage.DOUBLE_BACK, Stage.DOUBLE_BACK_TRICK) else "jacobian"
        for place, gradient in enumerate(gradients):
            self._refuse_if(
                gradient is None,
                f"{stage.value.format(place)} This is not allowed in strict mode"
                + (
                    " as it prevents from using the double backward trick to replace forward mode "
                    "AD."
                    if stage is Stage.DOUBLE_BACK_TRICK
                    else "."
                ),
            )
            self._refuse_if(
                self.create_graph and gradient is not None and not gradient.requires_grad,
                f"The {kind} of the user-provided function is independent of input {place}. This "
                "is not allowed in strict mode when create_graph=True.",
            )
        return tuple(
            zeros_like(t).detach() if g is None else g
            for g, t in zip(gradients, tensors, strict=True)
        )

"""Losses: names, tables of options, and functions of yours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ShapeError

__all__ = ["Loss", "LossFunction"]

LossFunction: TypeAlias = Callable[[NDArray[np.float32], NDArray[Any]], tuple[Any, ArrayLike]]
"""`(outputs, y) -> (value, gradient)`: outputs and gradient `(B, O)`, y `(B,)` of class numbers or `(B, T)`."""
Loss: TypeAlias = "str | Mapping[str, Any] | LossFunction"

SHORT = {"bce": "binary-cross-entropy", "mae": "mean-absolute", "mse": "mean-square"}


def recipe_loss(loss: Loss | None) -> Any:
    """`loss` as a recipe's `training.loss`."""
    if loss is None:
        return None
    if isinstance(loss, str):
        return SHORT.get(loss, loss.replace("_", "-"))
    return dict(loss) if isinstance(loss, Mapping) else "given"


def passed_loss(loss: Loss | None) -> Any:
    """The function of `loss` as the Rust half calls it; `None` for a loss of twinprop."""
    if loss is None or isinstance(loss, (str, Mapping)):
        return None
    function = loss

    def at(outputs: NDArray[np.float32], targets: NDArray[np.float32]) -> tuple[Any, ArrayLike]:
        returned: Any = function(outputs, targets.astype(np.int64) if targets.ndim == 1 else targets)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise ShapeError(
                f"the loss returned {type(returned).__name__}; it returns (value, gradient), the mean loss of the "
                "batch and its gradient by the outputs"
            )
        value, gradient = (np.asarray(part) for part in returned)
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise ShapeError(
                f"the loss returned a value of the shape {value.shape} and dtype {value.dtype}; it returns "
                "(value, gradient), of which the first is the mean loss of the batch, a number"
            )
        if gradient.shape != outputs.shape:
            raise ShapeError(
                f"the gradient of the loss has the shape {gradient.shape}, and that of the outputs is {outputs.shape}; it "
                "is the gradient by each output"
            )
        return np.reshape(value.astype(np.float32), (1, 1)), gradient

    return at

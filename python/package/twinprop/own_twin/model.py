"""What a twin of one's own has, and checks of what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, ShapeError
from ..progress import Show

__all__ = ["Constants", "Doubles", "Floats", "OwnTwin", "check_shape", "finite"]

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Constants: TypeAlias = dict[str, NDArray[Any]]


class OwnTwin:
    """A model of yours; `twinprop.calibrate` learns its constants and judges it as any twin."""

    constants: Constants
    """The constants of a function, learned after a calibration; empty for a module."""

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        """Readings `(S, O)` of `x` `(S, I)`; `theta` has a row for every shot, or one for all."""
        raise NotImplementedError

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        """Cotangents of `x` and `theta`, of their shapes, from `dy` `(S, O)`."""
        raise NotImplementedError

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Learns the constants from shots."""


def check_shape(predicted: Any, y: Any) -> None:
    """Refuses predictions that would be broadcast to the readings `y`."""
    if tuple(predicted.shape) != tuple(y.shape):
        raise ShapeError(
            f"the twin predicts readings of the shape {tuple(predicted.shape)}, and "
            f"{tuple(y.shape)} is expected"
        )


def finite(values: ArrayLike, what: str) -> NDArray[Any]:
    """`values`, which may not be NaN or infinite; `what` they are, for the message."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"the twin's {what} are NaN or infinite")
    return array

"""Constants by least squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import DivergedError, RecipeError
from ..progress import Show
from .model import Doubles, Floats

__all__ = ["least_squares", "seen_shots"]

MOST_CONSTANTS = 2000
"""Most constants of a function that are learned: their Jacobian is held in memory."""


def least_squares(
    residuals: Callable[[Doubles], Doubles],
    jacobian: Callable[[Doubles], Doubles],
    constants: Doubles,
    options: Mapping[str, Any],
    show: Show,
) -> Doubles:
    """Levenberg-Marquardt (Marquardt 1963): the `constants` `(n,)` of least squares of `residuals` `(m,)`.

    `jacobian` `(m, n)` is the derivative of the residuals by the constants.
    """
    if len(constants) > MOST_CONSTANTS:
        raise RecipeError(
            f"the twin has {len(constants)} constants, and at most {MOST_CONSTANTS} are learned; make it a "
            "torch module, or learn them before and leave out constants"
        )
    iterations = int(options.get("iterations", 50))
    left = residuals(constants)
    if not np.isfinite(left).all():
        raise DivergedError("the twin predicts NaN or infinity with the constants that it starts from")
    damping = 1e-3
    for iteration in range(iterations):
        show("learn the constants", iteration + 1, iterations)
        slopes = jacobian(constants)
        if not np.isfinite(slopes).all():
            raise DivergedError("the derivative of the twin's readings by its constants is NaN or infinite")
        normal, slope = slopes.T @ slopes, slopes.T @ left
        improvement = 0.0
        while damping < 1e12:
            damped = normal + damping * np.diag(np.maximum(np.diag(normal), 1e-30))
            tried = constants - np.linalg.lstsq(damped, slope, rcond=None)[0]
            after = residuals(tried)
            if np.isfinite(after).all() and after @ after < left @ left:
                improvement = 1 - float(after @ after) / float(left @ left)
                constants, left, damping = tried, after, max(damping / 10, 1e-12)
                break
            damping *= 10
        if improvement < 1e-7:
            break
    return constants


def seen_shots(
    x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any]
) -> tuple[Floats, Floats, Floats, Doubles]:
    """The shots that constants are learned from, and the standard deviation of each reading `(O,)`."""
    most = int(options.get("shots", 2000))
    unit = y[:most].std(0, dtype=np.float64)
    return x[:most], theta[:most], y[:most], np.where(unit > 0, unit, 1.0)

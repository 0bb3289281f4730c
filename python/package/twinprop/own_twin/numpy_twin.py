"""A function of NumPy as a twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..progress import Show
from .least_squares import least_squares, seen_shots
from .model import Constants, Doubles, Floats, OwnTwin, check_shape, finite

__all__ = ["NumpyTwin"]

STEP = 1e-4
"""Step of central differences, as a share of a value's range."""


class NumpyTwin(OwnTwin):
    """A function: its gradient is given, or central differences are taken."""

    def __init__(
        self,
        predict: Callable[..., ArrayLike],
        vjp: Callable[..., tuple[ArrayLike, ArrayLike]] | None,
        constants: Mapping[str, ArrayLike] | None,
    ) -> None:
        self._predict = predict
        self._vjp = vjp
        self.constants = {
            name: np.asarray(value, np.float64) for name, value in (constants or {}).items()
        }
        self._spans: list[Doubles] | None = None

    def _at(self, x: Any, theta: Any, constants: Constants) -> Doubles:
        more = (constants,) if constants else ()
        return np.asarray(self._predict(x, theta, *more), np.float64)

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        return finite(self._at(x.astype(np.float64), theta.astype(np.float64), self.constants), "readings")

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        if self._vjp is not None:
            more = (self.constants,) if self.constants else ()
            dx, dtheta = self._vjp(x, theta, dy, *more)
            return finite(dx, "gradients"), finite(dtheta, "gradients")
        at = [x.astype(np.float64), theta.astype(np.float64)]
        found = []
        for place, values in enumerate(at):
            gradient = np.empty_like(values)
            for channel in range(values.shape[1]):
                step = STEP * self._span(place, channel, values)
                sides = []
                for sign in (1, -1):
                    moved = [*at]
                    moved[place] = values.copy()
                    moved[place][:, channel] += sign * step
                    sides.append(self._at(moved[0], moved[1], self.constants))
                each = ((sides[0] - sides[1]) * dy).sum(1) / (2 * step)
                gradient[:, channel] = each if len(values) == len(x) else each.sum()
            found.append(finite(gradient, "gradients"))
        return found[0], found[1]

    def _span(self, place: int, channel: int, values: Doubles) -> float:
        """Range of a channel: what the calibration drove, else the largest value, else 1."""
        driven = 0.0 if self._spans is None else float(self._spans[place][channel])
        return driven or float(np.abs(values[:, channel]).max(initial=0.0)) or 1.0

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Least squares, with central differences by the constants."""
        self._spans = [np.ptp(values.astype(np.float64), axis=0) for values in (x, theta)]
        if not self.constants:
            return
        names = list(self.constants)
        shapes = [self.constants[name].shape for name in names]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        x, theta, y, unit = seen_shots(x, theta, y, options)
        at = (x.astype(np.float64), theta.astype(np.float64))

        def constants(flat: Doubles) -> Constants:
            parts = np.split(flat, ends[:-1])
            return {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}

        def residuals(flat: Doubles) -> Doubles:
            predicted = self._at(*at, constants(flat))
            check_shape(predicted, y)
            return ((predicted - y) / unit).ravel()

        def jacobian(flat: Doubles) -> Doubles:
            columns = []
            for place, step in enumerate(1e-6 * np.maximum(np.abs(flat), 1e-3)):
                moved = np.zeros_like(flat)
                moved[place] = step
                columns.append((residuals(flat + moved) - residuals(flat - moved)) / (2 * step))
            return np.stack(columns, 1)

        start = np.concatenate([self.constants[name].ravel() for name in names])
        self.constants = constants(least_squares(residuals, jacobian, start, options, show))

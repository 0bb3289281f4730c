"""Twins of one's own: a NumPy function or a PyTorch module as the digital twin of a device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DivergedError, RecipeError

__all__ = ["OwnTwin", "twin"]

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Constants: TypeAlias = dict[str, NDArray[Any]]
Show: TypeAlias = Callable[[str, int, int], object]

STEP = 1e-4
"""Step of central differences, as a share of a value's range."""


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


class _Numpy(OwnTwin):
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

    def _at(self, x: Any, theta: Any, constants: Constants) -> Doubles:
        more = (constants,) if constants else ()
        return np.asarray(self._predict(x, theta, *more), np.float64)

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        return self._at(x.astype(np.float64), theta.astype(np.float64), self.constants)

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        if self._vjp is not None:
            more = (self.constants,) if self.constants else ()
            return self._vjp(x, theta, dy, *more)
        at = [x.astype(np.float64), theta.astype(np.float64)]
        found = []
        for place, values in enumerate(at):
            gradient = np.empty_like(values)
            for channel in range(values.shape[1]):
                column = values[:, channel]
                step = STEP * max(1e-30, float(np.abs(column).max(initial=0.0)) or 1.0)
                sides = []
                for sign in (1, -1):
                    moved = [*at]
                    moved[place] = values.copy()
                    moved[place][:, channel] += sign * step
                    sides.append(self._at(moved[0], moved[1], self.constants))
                each = ((sides[0] - sides[1]) * dy).sum(1) / (2 * step)
                gradient[:, channel] = each if len(values) == len(x) else each.sum()
            found.append(gradient)
        return found[0], found[1]

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Levenberg-Marquardt (Marquardt 1963) with central differences by the constants."""
        if not self.constants:
            return
        iterations = int(options.get("iterations", 50))
        most = int(options.get("shots", 2000))
        names = list(self.constants)
        shapes = [self.constants[name].shape for name in names]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

        def constants(flat: Doubles) -> Constants:
            parts = np.split(flat, ends[:-1])
            return {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}

        at = (x[:most].astype(np.float64), theta[:most].astype(np.float64))
        target = y[:most].astype(np.float64)
        unit = target.std(0)
        unit = np.where(unit > 0, unit, 1.0)

        def residuals(flat: Doubles) -> Doubles:
            return ((self._at(*at, constants(flat)) - target) / unit).ravel()

        flat = np.concatenate([self.constants[name].ravel() for name in names]).astype(np.float64)
        left = residuals(flat)
        if not np.isfinite(left).all():
            raise DivergedError("the twin predicts NaN or infinity with the constants that it starts from")
        damping = 1e-3
        for iteration in range(iterations):
            show("learn the constants", iteration + 1, iterations)
            steps = 1e-6 * np.maximum(np.abs(flat), 1e-3)
            columns = []
            for place, step in enumerate(steps):
                moved = np.zeros_like(flat)
                moved[place] = step
                columns.append((residuals(flat + moved) - residuals(flat - moved)) / (2 * step))
            jacobian = np.stack(columns, 1)
            normal, slope = jacobian.T @ jacobian, jacobian.T @ left
            improvement = 0.0
            while damping < 1e12:
                damped = normal + damping * np.diag(np.maximum(np.diag(normal), 1e-30))
                tried = flat - np.linalg.lstsq(damped, slope, rcond=None)[0]
                after = residuals(tried)
                if np.isfinite(after).all() and after @ after < left @ left:
                    improvement = 1 - float(after @ after) / float(left @ left)
                    flat, left, damping = tried, after, max(damping / 10, 1e-12)
                    break
                damping *= 10
            if improvement < 1e-7:
                break
        self.constants = constants(flat)


class _Torch(OwnTwin):
    def __init__(self, module: Any) -> None:
        self.module = module
        self.constants = {}

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        import torch

        with torch.no_grad():
            y: ArrayLike = self.module(torch.from_numpy(x), torch.from_numpy(theta)).numpy()
        return y

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        import torch

        at = [torch.from_numpy(x).requires_grad_(), torch.from_numpy(theta).requires_grad_()]
        with torch.enable_grad():
            y = self.module(*at)
        found = torch.autograd.grad(y, at, torch.from_numpy(dy), allow_unused=True)
        dx, dtheta = (
            torch.zeros_like(value) if gradient is None else gradient
            for gradient, value in zip(found, at, strict=True)
        )
        return dx.numpy(), dtheta.numpy()

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Adam with a cosine schedule on nine tenths of the shots; the best epoch on the rest is kept."""
        import torch

        trained = [p for p in self.module.parameters() if p.requires_grad]
        if not trained:
            return
        epochs = int(options.get("epochs", 40))
        batch = int(options.get("batch", 64))
        adam = torch.optim.Adam(trained, lr=float(options.get("learning_rate", 1e-2)))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs)
        at = [torch.from_numpy(values) for values in (x, theta, y)]
        unit = at[2].std(0).clamp(min=torch.finfo(torch.float32).tiny)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(x), generator=generator)
        held = max(1, len(x) // 10)
        unseen, seen = order[:held], order[held:]

        def error(rows: Any) -> Any:
            x, theta, y = (values[rows] for values in at)
            return ((self.module(x, theta) - y) / unit).square().mean()

        best, state = float("inf"), None
        for epoch in range(epochs):
            show("learn the constants", epoch + 1, epochs)
            shuffled = seen[torch.randperm(len(seen), generator=generator)]
            for first in range(0, len(seen), batch):
                rows = shuffled[first : first + batch]
                adam.zero_grad()
                error(rows).backward()
                adam.step()
            schedule.step()
            with torch.no_grad():
                now = float(error(unseen))
            if now < best:
                best = now
                state = {name: value.clone() for name, value in self.module.state_dict().items()}
        if state is None:
            raise DivergedError("the twin's error is NaN; lower fit={'learning_rate': …}")
        self.module.load_state_dict(state)


def twin(
    predict: Any,
    vjp: Callable[..., tuple[ArrayLike, ArrayLike]] | None = None,
    constants: Mapping[str, ArrayLike] | None = None,
) -> OwnTwin:
    """A model of yours as a digital twin, for `twinprop.calibrate(device, twin=…)`.

    `predict` is a function `(x, theta) -> y` of NumPy arrays, or a `torch.nn.Module`. `x` is `(S, I)`, `y` `(S, O)`,
    and `theta` has a row for every shot or one for all, `(S, P)` or `(1, P)`: write it so that both broadcast.

    A module is differentiated by autograd, and its parameters are learned from the calibration's shots. A function
    has `vjp(x, theta, dy) -> (dx, dtheta)` or, without it, is differentiated by central differences; `constants`, a
    dict of numbers and arrays, is its third argument, and is learned from the shots by least squares.

    >>> import numpy as np, twinprop as tp
    >>> @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), parameters=tp.bank("phase", 1, "rad", -1, 1),
    ...            outputs=tp.bank("y", 1, "V", -3, 3))
    ... def lab(x, theta):
    ...     return 2.3 * np.sin(x + 0.7 * theta)
    >>> model = tp.twin(lambda x, theta, c: c["gain"] * np.sin(x + c["tilt"] * theta),
    ...                 constants={"gain": 1.0, "tilt": 1.0})
    >>> twin = tp.calibrate(lab, twin=model, shots=200, test_shots=100, progress=False)
    >>> {name: round(float(value), 3) for name, value in model.constants.items()}
    {'gain': 2.3, 'tilt': 0.7}
    >>> twin.fidelity.verdict
    'fit'
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(predict, torch.nn.Module):
        if vjp is not None or constants is not None:
            raise RecipeError("a torch module has its own gradient and parameters; leave out vjp and constants")
        return _Torch(predict)
    if not callable(predict):
        raise RecipeError(f"predict is {type(predict).__name__}; give a function (x, theta) -> y or a torch module")
    return _Numpy(predict, vjp, constants)

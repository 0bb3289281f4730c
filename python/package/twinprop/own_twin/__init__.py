"""Twins of one's own: a function of NumPy or JAX, or a PyTorch module, as the digital twin of a device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from ..errors import RecipeError
from .jax_twin import JaxTwin
from .model import OwnTwin
from .numpy_twin import NumpyTwin
from .torch_twin import TorchTwin

__all__ = ["OwnTwin", "twin"]


def twin(
    predict: Any,
    vjp: Callable[..., tuple[ArrayLike, ArrayLike]] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> OwnTwin:
    """A model of yours as a digital twin, for `twinprop.calibrate(device, twin=…)`.

    `predict` is a function `(x, theta) -> y` of NumPy arrays, one of JAX arrays wrapped in `jax.jit`, or a
    `torch.nn.Module`. `x` is `(S, I)`, `y` `(S, O)`, and `theta` has a row for every shot or one for all,
    `(S, P)` or `(1, P)`: write it so that both broadcast.

    Autograd differentiates a module, and its parameters are learned from the calibration's shots. `jax.vjp`
    differentiates a function of JAX. A function of NumPy has `vjp(x, theta, dy) -> (dx, dtheta)`; without it,
    central differences are taken. `constants`, a dict of numbers and arrays, is a function's third argument,
    and is learned from the shots by least squares; for JAX, it may hold further dicts.

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
            raise RecipeError(
                "a torch module has its own gradient and parameters; leave out vjp and constants"
            )
        return TorchTwin(predict)
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(predict, jax.stages.Wrapped):
        if vjp is not None:
            raise RecipeError(
                "JAX differentiates the function itself; leave out vjp, or use jax.custom_vjp in it"
            )
        return JaxTwin(predict, constants)
    if not callable(predict):
        raise RecipeError(
            f"predict is {type(predict).__name__}; give a function (x, theta) -> y, of NumPy or wrapped in "
            "jax.jit, or a torch module"
        )
    return NumpyTwin(predict, vjp, constants)

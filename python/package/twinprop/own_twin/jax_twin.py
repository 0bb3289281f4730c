"""A function of JAX as a twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..progress import Show
from .least_squares import least_squares, seen_shots
from .model import Floats, OwnTwin, check_shape, finite

__all__ = ["JaxTwin"]


class JaxTwin(OwnTwin):
    """A function of JAX: `jax.vjp` is its gradient, `jax.jacfwd` its derivative by the constants."""

    def __init__(self, predict: Callable[..., Any], constants: Mapping[str, Any] | None) -> None:
        import jax

        def number(value: Any) -> NDArray[Any]:
            kept = np.asarray(value)
            return kept if kept.dtype.kind == "f" else kept.astype(np.float32)

        self._predict = predict
        self.constants = jax.tree.map(number, dict(constants or {}))
        self._pull = jax.jit(self.pull)

    def at(self, x: Any, theta: Any, constants: Any) -> Any:
        """Readings `(S, O)`, as an array of JAX of at least single precision."""
        import jax.numpy as jnp

        y = self._predict(x, theta, constants) if constants else self._predict(x, theta)
        kind = getattr(y, "dtype", type(y).__name__)
        if not hasattr(y, "dtype") or not jnp.issubdtype(kind, jnp.floating):
            raise DataError(f"the twin's function returns {kind}, and an array of real numbers is expected")
        return y.astype(jnp.promote_types(kind, jnp.float32))

    def pull(self, x: Any, theta: Any, dy: Any, constants: Any) -> tuple[Any, Any]:
        """Cotangents of `x` and `theta`, as arrays of JAX; inside `jax.jit` too."""
        import jax

        y, pull = jax.vjp(lambda x, theta: self.at(x, theta, constants), x, theta)
        check_shape(y, dy)
        dx, dtheta = pull(dy.astype(y.dtype))
        return dx, dtheta

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        return finite(self.at(x, theta, self.constants), "readings")

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        dx, dtheta = self._pull(x, theta, dy, self.constants)
        return finite(dx, "gradients"), finite(dtheta, "gradients")

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Least squares, with the exact derivatives by the constants."""
        if not self.constants:
            return
        import jax
        from jax.flatten_util import ravel_pytree

        x, theta, y, unit = seen_shots(x, theta, y, options)
        start, constants = ravel_pytree(self.constants)

        # The shots are arguments: JAX would fold constants into the program.
        def residuals_at(flat: Any, x: Any, theta: Any, y: Any, unit: Any) -> Any:
            predicted = self.at(x, theta, constants(flat.astype(start.dtype)))
            check_shape(predicted, y)
            return ((predicted - y) / unit).ravel()

        residuals, jacobian = jax.jit(residuals_at), jax.jit(jax.jacfwd(residuals_at))
        shots = (x, theta, y, unit)
        found = least_squares(
            lambda flat: np.asarray(residuals(flat, *shots), np.float64),
            lambda flat: np.asarray(jacobian(flat, *shots), np.float64),
            np.asarray(start, np.float64), options, show,
        )
        self.constants = jax.tree.map(np.asarray, constants(jax.numpy.asarray(found, start.dtype)))

"""Samples in arrays: classes of any kind or values, divided into training and test samples."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, ShapeError

__all__ = ["Samples", "prepared"]

Samples: TypeAlias = tuple[ArrayLike, ArrayLike]
Half: TypeAlias = tuple[NDArray[Any], Any]
Prepared: TypeAlias = tuple[Half, Half, list[str] | None]
"""Training samples, test samples, and the names of the classes; the targets of classes are numbers."""


def prepared(
    data: Samples | tuple[Samples, Samples] | None, test: float, seed: int
) -> Prepared | None:
    """`data` as `(x, y)`, of which the share `test` is tested, or as `((x, y), (x_test, y_test))`."""
    if data is None:
        return None
    pairs: Any = data if isinstance(data[0], tuple) else (data,)
    halves = [(np.asarray(x), np.asarray(y)) for x, y in pairs]
    for x, y in halves:
        if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y):
            raise ShapeError(
                f"x has the shape {x.shape} and y {y.shape}; (N, F) and (N,) or (N, T) are expected; "
                "images and waveforms are flattened by x.reshape(len(x), -1)"
            )
    if len(halves) == 1:
        (x, y), order = halves[0], np.random.default_rng(seed).permutation(len(halves[0][0]))
        tested = round(test * len(x))
        if not 0 < tested < len(x):
            raise DataError(f"test={test} of {len(x)} samples leaves an empty half")
        halves = [(x[rows], y[rows]) for rows in (order[tested:], order[:tested])]
    (x, y), (x_test, y_test) = halves
    if y.ndim == 2 or y.dtype.kind == "f":
        values = [of.reshape(len(of), -1) for of in (y, y_test)]
        if values[0].shape[1] != values[1].shape[1]:
            raise ShapeError(f"y has the shape {y.shape}, and that of the test samples {y_test.shape}")
        return (x, values[0]), (x_test, values[1]), None
    names, numbers = np.unique(y, return_inverse=True)
    known = {name: number for number, name in enumerate(names)}
    try:
        tested_numbers = np.array([known[name] for name in y_test])
    except KeyError as error:
        raise DataError(f"the class {error} is in the test samples only") from None
    return (x, numbers), (x_test, tested_numbers), [str(name) for name in names]

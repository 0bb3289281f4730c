"""Samples in arrays: classes of any kind or values, divided into training and test samples."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, ShapeError

__all__ = ["Samples", "classes_of", "prepared"]

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
        _refuse_non_finite("x", x)
        _refuse_non_finite("y", y)
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
    classes, numbers = np.unique(y, return_inverse=True)
    names = _names(classes)
    known = {name: number for number, name in enumerate(classes)}
    for name in y_test:
        if name not in known:
            words = f"the class {str(name)!r} is in the test samples only"
            if y.dtype.kind in "iu":
                words += "; whole numbers are classes: pass values to predict as floats"
            raise DataError(words)
    return (x, numbers), (x_test, np.array([known[name] for name in y_test])), names


def _refuse_non_finite(name: str, values: NDArray[Any]) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = tuple(int(number) for number in np.argwhere(~np.isfinite(values))[0])
        where = ", ".join(map(str, place))
        raise DataError(f"{name}[{where}] is {values[place]}; leave that sample out, or replace its value")


def _names(classes: NDArray[Any]) -> list[str]:
    """Names of classes, from which `classes_of` makes the same classes again."""
    names = [str(name) for name in classes]
    again = classes_of(names)
    if again.dtype.kind != classes.dtype.kind and not {again.dtype.kind, classes.dtype.kind} <= set("iu"):
        like = "numbers" if again.dtype.kind == "i" else "truth values" if again.dtype.kind == "b" else "text"
        raise DataError(
            f"the classes {classes[:3].tolist()} would come back as {like} from `predict`; pass numbers, truth values, "
            "or text that reads as neither"
        )
    return names


def classes_of(names: list[str]) -> NDArray[Any]:
    """The classes that have these names: truth values, whole numbers, or text."""
    if set(names) <= {"False", "True"}:
        return np.array([name == "True" for name in names])
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return np.array(names)
    return np.array(numbers if [str(number) for number in numbers] == names else names)

"""Metrics of a training, epoch by epoch."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .plots import Figure, history_figure

__all__ = ["Epoch", "History"]


class Epoch(dict[str, Any]):
    """Metrics of an epoch, a line of a run's `metrics.jsonl`; also as attributes: `epoch.train_loss`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"an epoch has no `{name}`; it has {', '.join(self)}") from None

    @property
    def test_score(self) -> float:
        """Test accuracy of classes, R² of values."""
        score = self.get("test_r2", self.get("test_accuracy"))
        return math.nan if score is None else float(score)


class History(Sequence[Epoch]):
    """Metrics of all epochs: `history[-1]` is the last epoch, `history["test_score"]` the scores `(epochs,)`.

    >>> import twinprop.history as th
    >>> history = th.History([{"epoch": 1, "test_accuracy": 0.5}, {"epoch": 2, "test_accuracy": 0.75}])
    >>> history[-1].test_score
    0.75
    >>> history["test_score"]
    array([0.5 , 0.75])
    """

    def __init__(self, epochs: Iterable[dict[str, Any]] = ()) -> None:
        self._epochs = [Epoch(epoch) for epoch in epochs]

    @overload
    def __getitem__(self, key: int) -> Epoch: ...
    @overload
    def __getitem__(self, key: slice) -> History: ...
    @overload
    def __getitem__(self, key: str) -> NDArray[np.float64]: ...
    def __getitem__(self, key: int | slice | str) -> Epoch | History | NDArray[np.float64]:
        """An epoch, a part of the history, or a column `(epochs,)`, NaN where an epoch lacks the metric."""
        if isinstance(key, slice):
            return History(self._epochs[key])
        if not isinstance(key, str):
            return self._epochs[key]
        if key not in self.columns:
            raise KeyError(f"a history has no column `{key}`; it has {', '.join(self.columns)}")
        return self._column(key)

    def _column(self, name: str) -> NDArray[np.float64]:
        values = [epoch.test_score if name == "test_score" else epoch.get(name) for epoch in self]
        return np.array([math.nan if value is None else value for value in values], np.float64)

    def __len__(self) -> int:
        return len(self._epochs)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    @property
    def columns(self) -> tuple[str, ...]:
        """Metrics that are numbers, and `test_score`."""
        keys = dict.fromkeys(key for epoch in self for key in epoch)
        numbers = [key for key in keys if all(_is_number(epoch.get(key)) for epoch in self)]
        return (*(key for key in numbers if key != "test_score"), "test_score")

    def _table(self) -> dict[str, NDArray[Any]]:
        """The columns, those of integers as int64."""
        table: dict[str, NDArray[Any]] = {name: self._column(name) for name in self.columns}
        for name, values in table.items():
            if len(self) and all(type(epoch.get(name)) is int for epoch in self):
                table[name] = values.astype(np.int64)
        return table

    def to_pandas(self) -> Any:
        """The columns as a `pandas.DataFrame` with a row for each epoch."""
        return _optional("pandas").DataFrame(self._table())

    def to_polars(self) -> Any:
        """The columns as a `polars.DataFrame` with a row for each epoch; null where it lacks the metric."""
        return _optional("polars").DataFrame(self._table(), nan_to_null=True)

    def plot(self) -> Figure:
        """Draws the loss and the score of each epoch."""
        return history_figure({name: self._column(name).tolist() for name in self.columns})

    def _repr_html_(self) -> str:
        return str(self.plot())

    def __repr__(self) -> str:
        score = f", test score {self[-1].test_score:.4f}" if self else ""
        return f"<twinprop.History: {len(self)} epochs{score}>"


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


def _optional(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is missing: pip install {package}") from error

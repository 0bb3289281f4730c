"""Trainings of recipes, and their runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .devices import Device, _make_safe
from .errors import DataError, RecipeError, ShapeError
from .progress import Progress

__all__ = ["Epoch", "Run", "load", "resume", "run"]

Path_: TypeAlias = str | os.PathLike[str]
Devices: TypeAlias = Mapping[str, Device] | None
Samples: TypeAlias = tuple[ArrayLike, ArrayLike]


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
        return float("nan") if score is None else float(score)


class Run:
    """A trained network in its folder. Made by `twinprop.run`, `twinprop.resume` and `twinprop.load`."""

    def __init__(
        self, folder: Path_, devices: Devices = None, data: tuple[Any, Any, Any] | None = None
    ) -> None:
        self.folder = Path(folder)
        """Its folder, with the report."""
        self._devices = dict(devices or {})
        self._data = data

    @property
    def report(self) -> Path:
        """The page with its results."""
        return self.folder / "report.html"

    @property
    def summary(self) -> dict[str, Any]:
        """What it reached; empty before the end of the training."""
        path = self.folder / "summary.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @property
    def history(self) -> list[Epoch]:
        """Metrics of each epoch; `pandas.DataFrame(run.history)` is a table of them."""
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [Epoch(json.loads(line)) for line in lines]

    @property
    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """Trained arrays by name, `STAGE.KIND.NAME`; those of devices are normalised to [−1, 1]."""
        return _native.parameters(os.fspath(self.folder))

    def predict_proba(self, x: ArrayLike, source: str = "measured") -> NDArray[np.float32]:
        """Probability of each class for the samples `x` `(N, F)`, or the values `(N, T)` of a regression."""
        return self._answers(x, source)[2]

    def predict(self, x: ArrayLike, source: str = "measured") -> NDArray[Any]:
        """Answers to the samples `x` `(N, F)`: classes `(N,)`, or values `(N, T)`.

        `source="measured"` plays them on the device, `"predicted"` asks the twin, without a shot.
        """
        names, numbers, values = self._answers(x, source)
        if names is None:
            return values
        try:
            classes = np.array([int(name) for name in names])
        except ValueError:
            classes = np.array(names)
        answers: NDArray[Any] = classes[np.asarray(numbers, int)]
        return answers

    def _answers(
        self, x: ArrayLike, source: str
    ) -> tuple[list[str] | None, list[int], NDArray[np.float32]]:
        if source not in ("measured", "predicted"):
            raise RecipeError(f"source is {source!r}; it is 'measured' or 'predicted'")
        native = {name: device._native for name, device in self._devices.items()}
        try:
            return _native.predict(
                os.fspath(self.folder), np.asarray(x), source == "measured", native, []
            )
        finally:
            self._make_safe()

    def evaluate(self) -> Epoch:
        """Measures the test samples again: `test_score`, and RMSE and NRMSE of values."""
        native = {name: device._native for name, device in self._devices.items()}
        try:
            text = _native.evaluate_run(os.fspath(self.folder), native, self._data, [])
        finally:
            self._make_safe()
        return Epoch(json.loads(text))

    def _make_safe(self) -> None:
        _make_safe(self._devices.values())

    def __repr__(self) -> str:
        history = self.history if (self.folder / "metrics.jsonl").exists() else []
        score = f", test score {history[-1].test_score:.4f}" if history else ""
        return f"<twinprop.Run {self.folder}: {len(history)} epochs{score}>"


def _toml(value: Any, key: str = "recipe") -> str:
    """`value` as an inline value of TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(k))} = {_toml(v, f'{key}.{k}')}" for k, v in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (Sequence, np.ndarray)):
        return "[" + ", ".join(_toml(item, key) for item in value) + "]"
    raise RecipeError(f"{key} is {type(value).__name__}; a recipe has numbers, text, lists and tables")


def _given(
    data: Samples | tuple[Samples, Samples] | None, test: float, seed: int
) -> tuple[Any, Any, Any] | None:
    if data is None:
        return None
    pairs: Any = data if isinstance(data[0], tuple) else (data,)
    halves = [(np.asarray(x, np.float32), np.asarray(y)) for x, y in pairs]
    for x, y in halves:
        if x.ndim != 2 or len(x) != len(y):
            raise ShapeError(f"x has the shape {x.shape} and y {y.shape}; (N, F) and (N, …) are expected")
    if len(halves) == 1:
        (x, y), order = halves[0], np.random.default_rng(seed).permutation(len(halves[0][0]))
        tested = round(test * len(x))
        if not 0 < tested < len(x):
            raise DataError(f"test={test} of {len(x)} samples leaves an empty half")
        halves = [(x[rows], y[rows]) for rows in (order[tested:], order[:tested])]
    (x, y), (x_test, y_test) = halves
    if y.ndim == 1 and y.dtype.kind != "f":
        names, numbers = np.unique(y, return_inverse=True)
        known = {name: number for number, name in enumerate(names)}
        try:
            tested_numbers = [known[name] for name in y_test]
        except KeyError as error:
            raise DataError(f"the class {error} is in the test samples only") from None
        classes = [str(name) for name in names]
        return (x, numbers.tolist()), (x_test, tested_numbers), classes
    values = [np.asarray(of, np.float32).reshape(len(of), -1) for of in (y, y_test)]
    return (x, values[0]), (x_test, values[1]), None


def run(
    recipe: Path_ | Mapping[str, Any],
    *,
    data: Samples | tuple[Samples, Samples] | None = None,
    test: float = 0.25,
    devices: Devices = None,
    out: Path_ | None = None,
    rule: str | None = None,
    seed: int | None = None,
    set: Mapping[str, Any] | None = None,
    data_dir: Path_ | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: bool | Callable[[str, int, int], object] = True,
) -> Run:
    """Trains a recipe: the path of a TOML file, or its tables as a dict.

    `data` is `(x, y)`, of which the share `test` is tested, or `((x, y), (x_test, y_test))`: `x` `(N, F)`; `y` `(N,)` of
    classes of any kind, or `(N,)` or `(N, T)` of floats, which are values. `devices` are devices of this process by
    their names in the recipe. `set` replaces values, such as `{"training.epochs": 5}`.

    `on_epoch` gets the metrics of each epoch, and ends the training by returning `True`. After Ctrl-C, `resume` goes on
    from the folder.
    """
    if isinstance(recipe, Mapping):
        tables, name = dict(recipe), "run"
    else:
        path = Path(recipe)
        try:
            text, name = path.read_text(), path.stem
        except OSError as error:
            raise RecipeError(f"{path}: {error.strerror}; name a recipe") from error
        data_dir = path.parent if data_dir is None else data_dir
        tables = None
    given = _given(data, test, 0 if seed is None else seed)
    changes = dict(set or {})
    if tables is not None:
        if given is not None:
            tables["data"] = {**tables.get("data", {}), "source": "given"}
        if devices:
            models = {key: device._model() for key, device in devices.items()}
            known = {
                key: {"given": True} if model is None else {"given": True, "model": model}
                for key, model in models.items()
            }
            tables["devices"] = {**tables.get("devices", {}), **known}
        text = "".join(f"{json.dumps(str(key))} = {_toml(value, str(key))}\n" for key, value in tables.items())
    options = {
        "rule": rule,
        "seed": seed,
        "out": None if out is None else os.fspath(out),
        "data_dir": None if data_dir is None else os.fspath(data_dir),
        "set": [f"{key}={_toml(value, key)}" for key, value in changes.items()],
    }
    return _train(text, name, options, devices, given, on_epoch, progress)


def resume(
    folder: Path_,
    *,
    data: Samples | tuple[Samples, Samples] | None = None,
    test: float = 0.25,
    seed: int = 0,
    devices: Devices = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: bool | Callable[[str, int, int], object] = True,
) -> Run:
    """Resumes the interrupted run in `folder`, with the `data` and `devices` of `run` if it had them."""
    options = {"out": os.fspath(folder)}
    return _train(None, "run", options, devices, _given(data, test, seed), on_epoch, progress)


def load(
    folder: Path_,
    *,
    data: tuple[Samples, Samples] | None = None,
    devices: Devices = None,
) -> Run:
    """The run in `folder`, with `devices` of this process by name, and `data` if it was trained on arrays."""
    if not (Path(folder) / "parameters.safetensors").is_file():
        raise RecipeError(f"{folder} has no parameters; name the folder of a training")
    return Run(folder, devices, _given(data, 0.25, 0))


def _train(
    recipe: str | None,
    name: str,
    options: dict[str, Any],
    devices: Devices,
    given: tuple[Any, Any, Any] | None,
    on_epoch: Callable[[Epoch], object] | None,
    progress: bool | Callable[[str, int, int], object],
) -> Run:
    begun: list[str] = []

    def listen(kind: str, text: str) -> bool:
        if kind == "begin":
            begun.append(text)
        elif kind == "warning":
            import warnings

            warnings.warn(text, stacklevel=2)
        elif kind == "epoch" and on_epoch is not None:
            return on_epoch(Epoch(json.loads(text))) is True
        return False

    native = {key: device._native for key, device in (devices or {}).items()}
    with Progress.of(progress) as shown:
        try:
            folder = _native.train(
                recipe, name, json.dumps(options), native, given, listen, shown
            )
        except BaseException as error:
            for path in begun:
                error.add_note(f"twinprop.resume({path!r}) goes on from the last checkpoint")
            raise
        finally:
            _make_safe((devices or {}).values())
    return Run(folder, devices, given)

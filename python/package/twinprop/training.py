"""Trainings: of recipes, and of networks on arrays."""

from __future__ import annotations

import json
import os
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from .calibration import Option
from .errors import RecipeError
from .history import Epoch
from .losses import Loss, recipe_loss
from .network import Network, recipe_twin
from .passed import Devices, Passed, Twins
from .progress import Progress, Show
from .runs import Path_, Run, _path
from .samples import Samples, prepared
from .toml_text import document, inline

__all__ = ["resume", "run", "train"]


def train(
    network: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    test: float | Samples = 0.25,
    rule: str = "pat",
    loss: Loss | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    twin: Option | None = None,
    calibration_shots: int | None = None,
    seed: int = 0,
    out: Path_ | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: bool | Show = True,
    set: Mapping[str, Any] | None = None,
) -> Run:
    """Trains `network` on the samples `x` `(N, F)` with the targets `y`.

    `y` are classes of any kind `(N,)`, or values: floats `(N,)` or `(N, T)`. `test` is the share of the samples that
    is tested, or test samples `(x, y)`. `rule` is `"pat"`, `"in-silico"`, or another of a recipe's rules.

    `loss` is `"cross_entropy"` (classes), `"mse"`, `"mae"`, `"huber"` (values) or `"bce"` (labels of 0 and 1), a table
    of a recipe, or a function `(outputs, y) -> (value, gradient)`: the mean loss of a batch and its gradient by the
    outputs `(B, O)`; `y` are class numbers `(B,)` in the order of the sorted classes, or values `(B, T)`, standardised
    as the outputs are.

    A physical layer without a twin gets one of the kind `twin`, fitted to `calibration_shots` shots at the drives that
    the network uses. `set` has further keys of a recipe, such as `{"training.schedule": "constant"}`.

    `on_epoch` gets the metrics of each epoch, and ends the training by returning `True`. The run's folder is `out`, by
    default the next free one under `runs`; after Ctrl-C, `twinprop.resume` resumes the run in it.
    """
    if not isinstance(network, Network):
        raise RecipeError(f"network is {type(network).__name__}; give a twinprop.Network, or a recipe to twinprop.run")
    data = prepared(((x, y), test) if isinstance(test, tuple) else (x, y), _share(test), seed)
    training = {
        "rule": rule,
        "loss": recipe_loss(loss),
        "epochs": epochs,
        "batch": batch,
        "learning_rate": learning_rate,
    }
    calibration = {"shots": calibration_shots, "twin": twin}
    tables = {
        "seed": seed,
        **network._tables(),
        "training": training,
        "calibration": calibration,
        "accounting": {"digital_peer": False},
    }
    passed = Passed(network.devices, {}, data, network.twins, loss)
    options = {"out": _path(out), "set": _settings(set)}
    return _train(_with_passed(tables, passed), "network", options, passed, on_epoch, progress)


def _share(test: Any) -> float:
    if isinstance(test, tuple):
        return 0.0
    if not 0 < float(test) < 1:
        raise RecipeError(f"test is {test}; give a share between 0 and 1, or test samples (x, y)")
    return float(test)


def run(
    recipe: Path_ | Mapping[str, Any],
    *,
    data: Samples | tuple[Samples, Samples] | None = None,
    test: float = 0.25,
    devices: Devices = None,
    twins: Twins = None,
    loss: Loss | None = None,
    out: Path_ | None = None,
    rule: str | None = None,
    seed: int | None = None,
    set: Mapping[str, Any] | None = None,
    data_dir: Path_ | None = None,
    record: Path_ | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: bool | Show = True,
) -> Run:
    """Trains a recipe: the path of a TOML file, or its tables as a dict.

    `data` is `(x, y)`, of which the share `test` is tested, or `((x, y), (x_test, y_test))`; `x`, `y` and a `loss`
    as for `twinprop.train`. `devices` are devices of this process, or addresses of rigs, by their names in the recipe;
    `twins` are calibrated twins by the same names. `set` replaces values, such as `{"training.epochs": 5}`. `record`
    is a folder for recordings of the shots.

    The result is the same, to the bit, as that of the command line. `on_epoch` and `out` as for `twinprop.train`.
    """
    if isinstance(recipe, Mapping):
        tables, name, text = dict(recipe), "run", ""
    else:
        path = Path(recipe)
        try:
            text, name = path.read_text(), path.stem
            tables = tomllib.loads(text)
        except OSError as error:
            raise RecipeError(f"{path}: {error.strerror}; name a recipe") from error
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{path}: {error}") from error
        data_dir = path.parent if data_dir is None else data_dir
    names = list(tables.get("devices") or _names(devices))
    divided_by = tables.get("seed", 0) if seed is None else seed
    # A seed of another type is refused with the recipe.
    given = prepared(data, test, divided_by if isinstance(divided_by, int) else 0)
    passed = Passed.of(names, devices, given, twins, loss)
    if isinstance(recipe, Mapping) or passed.devices or given or passed.twins or loss is not None:
        if loss is not None:
            training = {**tables.get("training", {}), "loss": recipe_loss(loss)}
            tables = {**tables, "training": training}
        text = _with_passed(tables, passed)
    options = {
        "rule": rule,
        "seed": seed,
        "out": _path(out),
        "data_dir": _path(data_dir),
        "record": _path(record),
        "targets": passed.rigs(),
        "set": _settings(set),
    }
    return _train(text, name, options, passed, on_epoch, progress)


def _names(devices: Devices) -> list[str]:
    """Names of the devices that are passed for a recipe that names none."""
    return list(devices) if isinstance(devices, Mapping) else []


def _with_passed(tables: Mapping[str, Any], passed: Passed) -> str:
    """The recipe `tables` with what is `passed`, as text."""
    tables = dict(tables)
    if passed.data is not None:
        tables["data"] = {**tables.get("data", {}), "source": "given"}
    devices = {name: dict(table) for name, table in tables.get("devices", {}).items()}
    for name, device in passed.devices.items():
        table = devices.setdefault(name, {})
        table["given"] = True
        # What it was in the recipe; its own equation serves physics twins.
        for key in ("rig", "imperfections", "model"):
            table.pop(key, None)
        if (model := device._model()) is not None:
            table["model"] = model
    for name, twin in passed.twins.items():
        devices.setdefault(name, {})["twin"] = recipe_twin(twin)
    if devices:
        tables["devices"] = devices
    return document({key: value for key, value in tables.items() if value is not None})


def _settings(set: Mapping[str, Any] | None) -> list[str]:
    if "seed" in (set or {}):
        raise RecipeError("set has the key seed; give seed=…, which divides the samples as well")
    for key, value in (set or {}).items():
        if "." not in key and isinstance(value, Mapping):
            first = next(iter(value), "KEY")
            raise RecipeError(
                f"set has the whole table `{key}`, which would replace it; name its keys: {f'{key}.{first}'!r}"
            )
    return [f"{key}={inline(value, key)}" for key, value in (set or {}).items()]


def resume(
    folder: Path_,
    *,
    data: Samples | tuple[Samples, Samples] | None = None,
    test: float = 0.25,
    devices: Devices = None,
    twins: Twins = None,
    loss: Loss | None = None,
    data_dir: Path_ | None = None,
    allow_changed_data: bool = False,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: bool | Show = True,
) -> Run:
    """Resumes the interrupted run in `folder`, with the `data`, `devices`, `twins` and `loss` that it had.

    `data` that were divided by a share `test` are divided again as they were. A simulated device of this process
    returns to its state at the last checkpoint, even if you used it after that. `data_dir` is a further folder in
    which data files are searched for; with `allow_changed_data`, data and devices may differ from the run's.
    """
    path = Path(folder) / "recipe.toml"
    if not path.is_file():
        raise RecipeError(f"{folder} has no recipe; name the folder of a training")
    recipe = tomllib.loads(path.read_text())
    passed = Passed.of_run(recipe, devices, data, test, twins, loss)
    options = {
        "out": os.fspath(folder),
        "targets": passed.rigs(),
        "data_dir": _path(data_dir),
        "allow_changed_data": allow_changed_data,
    }
    return _train(None, "run", options, passed, on_epoch, progress)


def _train(
    recipe: str | None,
    name: str,
    options: dict[str, Any],
    passed: Passed,
    on_epoch: Callable[[Epoch], object] | None,
    progress: bool | Show,
) -> Run:
    begun: list[str] = []

    def listen(kind: str, text: str) -> bool:
        if kind == "begin":
            begun.append(text)
        elif kind == "warning":
            warnings.warn(text, stacklevel=2)
        elif kind == "epoch" and on_epoch is not None:
            ends = on_epoch(Epoch(json.loads(text)))
            return isinstance(ends, (bool, np.bool)) and bool(ends)
        return False

    with Progress.of(progress) as shown:
        try:
            folder = _native.train(
                recipe, name, json.dumps(options), passed.native(), listen, shown
            )
        except BaseException as error:
            for path in begun:
                error.add_note(
                    f"twinprop.resume({path!r}, …) goes on from the last checkpoint, or from the shots that were "
                    "measured; pass the data, devices, twins and loss of this training again"
                )
            raise
        finally:
            passed.make_safe()
    return Run(folder, passed, options.get("data_dir"))

"""Runs: trained networks in their folders."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .calibration import Fidelity
from .channels import Interface, normalisation
from .errors import RecipeError, ShapeError
from .history import Epoch, History
from .losses import Loss
from .network import is_served
from .notebook import run_html
from .passed import Devices, Passed, Twins
from .progress import Progress, Show
from .samples import Samples, classes_of

__all__ = ["Look", "Run", "load"]

Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Look:
    """Whether a device has drifted since the training."""

    device: str
    """Its name in the recipe."""
    moved: float
    """How far its readings have moved, as a share of their standard deviation."""
    p_value: float
    """Probability that a device without drift shows a change at least as large."""
    alarm: bool
    """Whether it has drifted."""


class Run:
    """A trained network in its folder. Made by `twinprop.train`, `run`, `resume` and `load`."""

    def __init__(
        self,
        folder: Path_,
        passed: Passed | None = None,
        data_dir: Path_ | None = None,
        allow_changed_data: bool = False,
        other_devices: bool = False,
    ) -> None:
        self.folder = Path(folder)
        """Its folder, with the report."""
        self._passed = passed or Passed({}, {}, None, {}, None)
        self._data_dir = None if data_dir is None else os.fspath(data_dir)
        self._allow_changed_data = allow_changed_data
        self._other_devices = other_devices

    @property
    def recipe(self) -> dict[str, Any]:
        """Its recipe, with all defaults."""
        return tomllib.loads((self.folder / "recipe.toml").read_text())

    @property
    def report(self) -> Path:
        """The page with its results."""
        return self.folder / "report.html"

    @property
    def summary(self) -> dict[str, Any]:
        """What it reached; empty before the end of the training."""
        return self._json("summary.json")

    @property
    def adaptation(self) -> dict[str, Any]:
        """Scores before and after a recalibration or a transfer; empty for a training."""
        return self._json("adaptation.json")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @property
    def fidelity(self) -> dict[str, Fidelity]:
        """How far to trust the twin of each device, by its name; empty for a rule without twins."""
        twins = self._json("calibration.json").get("twins", {})
        return {name: Fidelity.of(twin["fidelity"]) for name, twin in twins.items()}

    @property
    def history(self) -> History:
        """Metrics of each epoch: `history["test_score"]` is an array, `history.plot()` a figure."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return History(json.loads(line) for line in lines)

    @property
    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """Trained arrays by name, `STAGE.KIND.NAME`; those of devices are normalised to [−1, 1]."""
        return _native.parameters(os.fspath(self.folder))

    @property
    def settings(self) -> dict[str, NDArray[np.float32]]:
        """Trained parameters of the devices in their units, `(shots, P)`, by the same names as `parameters`."""
        interfaces = self._json("trained_on.json").get("devices", {})
        # A skip connection is no stage of its own.
        stages = [s for s in self.recipe["network"] if not (isinstance(s, dict) and "skip" in s)]
        settings = {}
        for name, values in self.parameters.items():
            stage, kind, *_ = name.split(".")
            if kind != "physical" or not name.endswith(".parameters"):
                continue
            device = stages[int(stage)]["physical"]["device"]
            banks = Interface._of_json(json.dumps(interfaces[device])).parameters
            middle, half = normalisation(banks)
            played = middle + np.clip(values, -1, 1) * half
            settings[name] = played.astype(np.float32)
        return settings

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
        answers: NDArray[Any] = classes_of(names)[np.asarray(numbers, int)]
        return answers

    def _answers(
        self, x: ArrayLike, source: str
    ) -> tuple[list[str] | None, list[int], NDArray[np.float32]]:
        if source not in ("measured", "predicted"):
            raise RecipeError(f"source is {source!r}; it is 'measured' or 'predicted'")
        samples = np.asarray(x)
        if samples.ndim != 2:
            raise ShapeError(f"x has the shape {samples.shape}; (N, F) is expected")
        with self._opened() as (passed, options):
            return _native.predict(
                os.fspath(self.folder), samples, source == "measured", passed, options, None
            )

    def evaluate(self) -> Epoch:
        """Measures the test samples again: `test_score` and `test_loss`, and RMSE and NRMSE of values."""
        with self._opened() as (passed, options):
            return Epoch(json.loads(_native.evaluate(os.fspath(self.folder), passed, options, None)))

    def watch(self) -> list[Look]:
        """Plays the reference set of each device again, and tells whether its readings have moved."""
        with self._opened() as (passed, options):
            looks = json.loads(_native.watch(os.fspath(self.folder), passed, options))
        return [Look(look["device"], **look["drift"]) for look in looks]

    def recalibrate(
        self, shots: int, *, out: Path_ | None = None, progress: bool | Show = True
    ) -> Run:
        """Adapts the network to the present state of its devices with at most `shots` shots.

        Returns a new run in `out`; its `adaptation` has the scores before and after.
        """
        with Progress.of(progress) as shown, self._opened() as (passed, options):
            folder = _native.recalibrate(
                os.fspath(self.folder), passed, options, shots, _path(out), shown
            )
        return Run(folder, self._passed, self._data_dir, self._allow_changed_data)

    def transfer(
        self,
        shots: int,
        *,
        devices: Devices = None,
        copy: int | None = None,
        out: Path_ | None = None,
        progress: bool | Show = True,
    ) -> Run:
        """Moves the network to another copy of its devices, and adapts it with at most `shots` shots.

        `devices` are the other devices. For devices that the recipe simulates, `copy` is the fabrication seed of the
        other copy instead.
        """
        if (devices is None) == (copy is None):
            raise RecipeError("name the other devices: devices=…, or copy=SEED where the recipe simulates them")
        if devices is not None:
            p = self._passed
            # A rig's served twin is the rig's own.
            twins = {name: twin for name, twin in p.twins.items() if not is_served(twin)}
            other = Passed.of(list(self.recipe["devices"]), devices, p.data, twins, p.loss)
            moved = Run(self.folder, other, self._data_dir, self._allow_changed_data, other_devices=True)
            return moved.recalibrate(shots, out=out, progress=progress)
        with Progress.of(progress) as shown, self._opened(copy) as (passed, options):
            folder = _native.transfer(
                os.fspath(self.folder), passed, options, shots, _path(out), shown
            )
        return Run(folder, self._passed, self._data_dir, self._allow_changed_data)

    @contextmanager
    def _opened(self, copy: int | None = None) -> Iterator[tuple[dict[str, Any], str]]:
        """What opens it again, for the Rust half; the devices are safe afterwards."""
        options = {
            "targets": self._passed.rigs(),
            "data_dir": self._data_dir,
            "allow_changed_data": self._allow_changed_data,
            "other_devices": self._other_devices,
            "copy": copy,
        }
        try:
            yield self._passed.native(), json.dumps(options)
        finally:
            self._passed.make_safe()

    def __repr__(self) -> str:
        history, adaptation = self.history, self.adaptation
        if adaptation:
            scores = (adaptation["as_it_is"], adaptation["fine_tuned"])
            return f"<twinprop.Run {self.folder}: adapted, test score {scores[0]:.4f} to {scores[1]:.4f}>"
        score = f", test score {history[-1].test_score:.4f}" if len(history) else ""
        return f"<twinprop.Run {self.folder}: {len(history)} epochs{score}>"

    def _repr_html_(self) -> str:
        return run_html(self)


def _path(path: Path_ | None) -> str | None:
    return None if path is None else os.fspath(path)


def load(
    folder: Path_,
    *,
    devices: Devices = None,
    data: Samples | tuple[Samples, Samples] | None = None,
    test: float = 0.25,
    twins: Twins = None,
    loss: Loss | None = None,
    data_dir: Path_ | None = None,
    allow_changed_data: bool = False,
) -> Run:
    """The run in `folder`.

    `devices` maps each device's name to a device of this process or to a rig's address. A run with a single device takes it
    without a name. Pass the devices of the training, or others in their place. `data` are its samples, if they were arrays:
    `evaluate`, `watch` and `recalibrate` need them, `predict` does not; those that were divided by a share `test` are
    divided again as they were. `twins` and `loss` are a program's own, if the training had some.
    """
    path = Path(folder)
    if not (path / "parameters.safetensors").is_file():
        if (path / "recipe.toml").is_file():
            raise RecipeError(f"this training has not ended; twinprop.resume({str(path)!r}, …) goes on")
        if not path.is_dir():
            raise RecipeError(f"there is no folder {folder}; name the folder of a training")
        raise RecipeError(f"{folder} has no parameters; name the folder of a training")
    recipe = tomllib.loads((path / "recipe.toml").read_text())
    passed = Passed.of_run(recipe, devices, data, test, twins, loss)
    return Run(path, passed, data_dir, allow_changed_data)

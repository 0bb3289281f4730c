"""Physical networks as estimators of scikit-learn."""

from __future__ import annotations

import math
import tempfile
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .devices import Device
from .runs import Run
from .training import run

__all__ = ["PhysicalClassifier", "PhysicalRegressor"]

TESTED = 32
"""Training samples that are tested after each epoch; the score of unseen samples is the caller's to measure."""


class _Physical(BaseEstimator):  # type: ignore[misc]
    """Parameters of both estimators; see `PhysicalClassifier`."""

    def __init__(
        self,
        device: Device | None = None,
        *,
        layers: int = 2,
        shots: int | None = None,
        twin: str | dict[str, Any] = "neural",
        calibration_shots: int = 20_000,
        rule: str = "pat",
        epochs: int = 60,
        batch: int = 32,
        learning_rate: float = 0.015,
        random_state: int = 0,
        out: str | None = None,
    ) -> None:
        self.device = device
        self.layers = layers
        self.shots = shots
        self.twin = twin
        self.calibration_shots = calibration_shots
        self.rule = rule
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.out = out

    def _train(self, x: NDArray[np.float32], y: NDArray[Any], last: Any) -> None:
        if self.device is None:
            raise ValueError("give the estimator a device, such as twinprop.simulate('pendula')")
        inputs = self.device.interface.n_inputs
        shots = self.shots or math.ceil(x.shape[1] / inputs)
        if x.shape[1] > shots * inputs:
            raise ValueError(
                f"X has {x.shape[1]} features, and {shots} shots of {inputs} drives take {shots * inputs}; "
                f"set shots={math.ceil(x.shape[1] / inputs)}"
            )
        layer = ["scale", {"physical": {"device": "device", "shots": shots}}]
        recipe = {
            "seed": int(self.random_state),
            "network": ["encode", *(layer * self.layers), "scale", last],
            "calibration": {"shots": self.calibration_shots, "twin": self.twin, "require": "none"},
            "training": {
                "rule": self.rule,
                "epochs": self.epochs,
                "batch": self.batch,
                "learning_rate": self.learning_rate,
            },
            "accounting": {"digital_peer": False},
        }
        self._folder_ = tempfile.TemporaryDirectory() if self.out is None else None
        out = self.out or f"{self._folder_.name}/run"  # type: ignore[union-attr]
        tested = min(TESTED, len(x))
        self.run_: Run = run(
            recipe,
            data=((x, y), (x[:tested], y[:tested])),
            devices={"device": self.device},
            out=out,
            progress=False,
        )
        """The run: its folder, parameters and history."""

    def _samples(self, x: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        samples: NDArray[np.float32] = validate_data(self, x, dtype=np.float32, reset=False)
        return samples


class PhysicalClassifier(ClassifierMixin, _Physical):  # type: ignore[misc]
    """A classifier of `layers` physical layers, each of as many `shots` as the features need.

    `device` is a `twinprop.Device`; `twin`, `calibration_shots`, `rule`, `epochs`, `batch` and `learning_rate` are those
    of a recipe, and `random_state` its seed. The run's folder is `out`, or temporary. Attributes after `fit`: `classes_`,
    `n_features_in_`, `run_`.

    A real device exists once: use `n_jobs=1`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> PhysicalClassifier:
        """Calibrates the device's twin and trains on `X` `(N, F)` with the classes `y`."""
        samples, classes = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(classes)
        self.classes_, numbers = np.unique(classes, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}; a classifier needs two or more")
        self._train(samples, numbers, "readout")
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class, in the order of `classes_`."""
        samples = self._samples(X)
        return self.run_.predict_proba(samples)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each sample, measured on the device."""
        numbers = self.predict_proba(X).argmax(1)
        answers: NDArray[Any] = self.classes_[numbers]
        return answers


class PhysicalRegressor(RegressorMixin, _Physical):  # type: ignore[misc]
    """A regressor of physical layers; parameters and attributes as those of `PhysicalClassifier`."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> PhysicalRegressor:
        """Calibrates the device's twin and trains on `X` `(N, F)` with the values `y` `(N,)` or `(N, T)`."""
        samples, values = validate_data(
            self, X, y, dtype=np.float32, y_numeric=True, multi_output=True, ensure_min_samples=2
        )
        values = np.asarray(values, np.float32)
        self._is_flat = values.ndim == 1
        outputs = 1 if self._is_flat else values.shape[1]
        self._train(samples, values, {"linear": {"outputs": outputs}})
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The values of each sample, measured on the device."""
        samples = self._samples(X)
        values: NDArray[np.float64] = self.run_.predict(samples).astype(np.float64)
        return values[:, 0] if self._is_flat else values

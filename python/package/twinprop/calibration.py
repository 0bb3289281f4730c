"""Calibration: digital twins from shots, and how far to trust them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .channels import Interface, whole
from .devices import Device
from .errors import CalibrationError, ShapeError
from .notebook import fidelity_html, twin_html
from .own_twin import OwnTwin
from .plots import LIMITS, Figure, estimate_of, fidelity_figure
from .progress import Progress, Show

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Fidelity", "Twin", "calibrate", "load_twin"]

Floats = NDArray[np.float32]


class Fidelity:
    """How well a twin's readings and its gradient agree with the device's.

    `cosine` and `r2` are the estimates with the interval that holds them in 99 of 100 cases; NaN where they are unknown,
    as the R² of readings that do not vary.
    """

    def __init__(self, values: dict[str, Any], verdict: str) -> None:
        self.values = values
        """All numbers, as in a run's `calibration.json`."""
        self.verdict = verdict
        """`"fit"`, `"usable"` or `"unfit"` for training, by the lower end of the gradient's cosine."""

    @staticmethod
    def of(values: dict[str, Any]) -> Fidelity:
        """Of the numbers of a run's `calibration.json`."""
        low = values["gradient"]["cosine"]["low"]
        reached = (word for word, limit in LIMITS.items() if low is not None and low >= limit)
        return Fidelity(values, next(reached, "unfit"))

    def _estimate(self, *path: str) -> tuple[float, float, float]:
        value: Any = self.values
        for key in path:
            value = value[key]
        return estimate_of(value)

    @property
    def cosine(self) -> tuple[float, float, float]:
        """Cosine of the twin's gradient with the device's: value, lower and upper end of its interval."""
        return self._estimate("gradient", "cosine")

    @property
    def r2(self) -> tuple[float, float, float]:
        """R² of the readings: value, lower and upper end of its interval."""
        return self._estimate("readings", "r2")

    def plot(self) -> Figure:
        """Draws the gradient cosine by bank, R² by output channel, and the error by position of the drive."""
        return fidelity_figure(self.values)

    def _repr_html_(self) -> str:
        return fidelity_html(self)

    def __str__(self) -> str:
        def words(found: tuple[float, float, float]) -> str:
            return "{:.3f} ({:.3f} to {:.3f})".format(*found) if math.isfinite(found[0]) else "unknown"

        word = {"fit": "fit for training", "usable": "usable for training"}
        verdict = word.get(self.verdict, "not fit for training")
        return f"{verdict}: gradient cosine {words(self.cosine)}, R² {words(self.r2)}"

    def __repr__(self) -> str:
        return f"<twinprop.Fidelity {self}>"


class Twin:
    """A differentiable model of a device, and how far to trust it. Made by `twinprop.calibrate`."""

    interface: Interface
    """Channels, ranges and units of its device."""
    fidelity: Fidelity
    """How far to trust it."""

    def predict(self, x: ArrayLike, theta: ArrayLike) -> Floats:
        """Predicted readings `(S, O)` of the drives `x` `(S, I)` with `theta` `(P,)` or `(G, P)`."""
        raise NotImplementedError

    def vjp(
        self, x: ArrayLike, theta: ArrayLike, dy: ArrayLike, y: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        """Vector-Jacobian product: cotangents `dy` `(S, O)` of the readings to those of `x` and `theta`.

        Returns `dx` `(S, I)` and `dtheta` `(G, P)`, with G = 1 for `theta` `(P,)`. `y` are the readings at this
        point, by default the predicted ones.
        """
        raise NotImplementedError

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Saves it in `folder`, for `twinprop.load_twin`."""
        raise NotImplementedError

    # A twin is not changed by its use: a copy is the same twin.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _repr_html_(self) -> str:
        return twin_html(self)

    def __repr__(self) -> str:
        return f"<twinprop.Twin of {self.interface.device}: {self.fidelity}>"


class _NativeTwin(Twin):
    def __init__(self, native: _native.Twin) -> None:
        self._native = native
        self.interface = Interface._of_json(native.interface)
        self.fidelity = Fidelity(json.loads(native.fidelity), native.verdict)

    def predict(self, x: ArrayLike, theta: ArrayLike) -> Floats:
        return self._native.predict(x, theta)

    def vjp(
        self, x: ArrayLike, theta: ArrayLike, dy: ArrayLike, y: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        return self._native.vjp(x, theta, dy, y)

    def save(self, folder: str | os.PathLike[str]) -> None:
        self._native.save(os.fspath(folder))


class _JudgedTwin(Twin):
    """A twin of one's own after its calibration."""

    def __init__(self, own: OwnTwin, interface: Interface, fidelity: Fidelity) -> None:
        self.own = own
        self.interface = interface
        self.fidelity = fidelity

    def _point(self, x: ArrayLike, theta: ArrayLike) -> tuple[Floats, Floats, int]:
        x, theta = np.asarray(x, np.float32), np.atleast_2d(np.asarray(theta, np.float32))
        settings = len(theta)
        if x.ndim != 2 or theta.ndim != 2 or settings == 0 or len(x) % settings:
            raise ShapeError(
                f"`x` has the shape {x.shape} and `theta` {theta.shape}; (shots, {self.interface.n_inputs}) and "
                f"(settings, {self.interface.n_parameters}) are expected, with a multiple of the settings as shots"
            )
        return x, theta if settings == 1 else np.repeat(theta, len(x) // settings, 0), settings

    def predict(self, x: ArrayLike, theta: ArrayLike) -> Floats:
        x, theta, _ = self._point(x, theta)
        return np.asarray(self.own.predict(x, theta), np.float32)

    def vjp(
        self, x: ArrayLike, theta: ArrayLike, dy: ArrayLike, y: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        x, theta, settings = self._point(x, theta)
        dx, dtheta = self.own.vjp(x, theta, np.asarray(dy, np.float32))
        dtheta = np.asarray(dtheta, np.float32)
        summed = dtheta.reshape(settings, len(dtheta) // settings, theta.shape[1]).sum(1)
        return np.asarray(dx, np.float32), summed

    def save(self, folder: str | os.PathLike[str]) -> None:
        raise CalibrationError(
            "a twin of your own is saved by your program: its constants are in `twin.own.constants`, or in its module"
        )


def check_twin(twin: Twin, device: Device) -> None:
    """Refuses what is no twin or no device, and a twin of another device."""
    if not isinstance(device, Device):
        raise CalibrationError(f"device is {type(device).__name__}; give a twinprop.Device")
    if not isinstance(twin, Twin):
        raise CalibrationError(
            f"twin is {type(twin).__name__}; give what twinprop.calibrate(device, …) returns"
        )
    for field in fields(Interface):
        of_twin, of_device = (getattr(of.interface, field.name) for of in (twin, device))
        if of_twin != of_device:
            raise ShapeError(
                f"the twin was calibrated on another device: its {field.name} is {of_twin}, and this one's {of_device}"
            )


Option = str | Mapping[str, Any]
"""A name, or a table of a name and its options, as in a recipe."""


def _plain(option: Option) -> str | dict[str, Any]:
    """`option` as JSON can write it."""
    return option if isinstance(option, str) else dict(option)


def calibrate(
    device: Device,
    *,
    shots: int = 20_000,
    test_shots: int = 1000,
    twin: Option | OwnTwin = "neural",
    design: Option = "latin_hypercube",
    fit: Mapping[str, Any] | None = None,
    fidelity: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | Show = True,
) -> Twin:
    """Measures shots of `device`, fits a digital twin to them, and judges it on further shots.

    `twin` is `"neural"`, `"temporal"`, `"ensemble"`, for a simulated device `"physics"`, `"learned_physics"` or
    `"hybrid"`, for a spiking chip `"surrogate"` or `"spike_train"`, and for a rig that has a twin of its own `"served"`;
    with options `{"neural": {"width": 64}}`. A model of yours is `twinprop.twin(…)`. `design` says which drives are measured: `"latin_hypercube"`, `"uniform"`, `"sobol"`, or
    `"active"`, where small twins disagree. `fit` and `fidelity` have the keys of a recipe's
    `[calibration.fit]` and `[calibration.fidelity]`. `progress` is shown by default, or goes to a function
    `(label, done, total)`.

    Ctrl-C ends it; the device then goes to its safe state, as it does at the end.
    """
    if not isinstance(device, Device):
        raise CalibrationError(
            f"device is {type(device).__name__}; make a function a device by @twinprop.device(…), or open one"
        )
    if not isinstance(twin, (str, Mapping, OwnTwin)):
        raise CalibrationError(
            f"twin is {type(twin).__name__}; give the name of a kind, such as \"neural\", or wrap a model of yours "
            "by twinprop.twin(…)"
        )
    drawn = {
        "shots": whole("shots", shots, 1),
        "design": _plain(design),
        "seed": whole("seed", seed, 0),
    }
    test_shots = whole("test_shots", test_shots, 2)
    with Progress.of(progress) as shown:
        try:
            if isinstance(twin, OwnTwin):
                return _calibrate_own(device, twin, drawn, test_shots, fit, fidelity, shown)
            options = {
                "design": drawn,
                "test_shots": test_shots,
                "twin": _plain(twin),
                "fit": dict(fit or {}),
                "fidelity": dict(fidelity or {}),
            }
            return _NativeTwin(_native.calibrate(device._native, json.dumps(options), shown))
        finally:
            device.make_safe()


def _calibrate_own(
    device: Device,
    own: OwnTwin,
    design: dict[str, Any],
    test_shots: int,
    fit: Mapping[str, Any] | None,
    fidelity: Mapping[str, Any] | None,
    shown: Progress,
) -> Twin:
    seen = int(design["shots"])
    drawn = json.dumps({**design, "shots": seen + test_shots})
    x, theta, y = _native.measure_design(device._native, drawn, shown)
    own.learn(x[:seen], theta[:seen], y[:seen], dict(fit or {}), design["seed"], shown)
    options = json.dumps({"fidelity": dict(fidelity or {}), "seed": design["seed"]})
    unseen = (x[seen:], theta[seen:], y[seen:])
    found, verdict = _native.judge(device._native, own.predict, own.vjp, unseen, options, shown)
    return _JudgedTwin(own, device.interface, Fidelity(json.loads(found), verdict))


def load_twin(folder: str | os.PathLike[str]) -> Twin:
    """Loads the twin that `Twin.save` left in `folder`."""
    if not os.path.isdir(folder):
        raise CalibrationError(f"there is no folder {os.fspath(folder)}; name one that Twin.save wrote")
    return _NativeTwin(_native.load_twin(os.fspath(folder)))

"""Networks of physical and digital stages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from .calibration import Option, Twin, _JudgedTwin, _NativeTwin
from .channels import whole
from .devices import Device
from .errors import RecipeError
from .own_twin import OwnTwin

__all__ = ["Network", "Physical"]

Stage: TypeAlias = "str | Mapping[str, Any] | Physical"


class Physical:
    """A physical layer: `shots` shots of `device` a sample, each with parameters of its own.

    `twin` is a calibrated twin of the device, or a kind of twin, such as `"neural"` or `{"neural": {"width": 64}}`.
    The training fits a twin of this kind at the drives that the network uses. With `shared`, all shots have the same
    parameters. The first parameters are drawn around the middle of their ranges; `start` is the share of the range
    that is used.
    """

    def __init__(
        self,
        device: Device,
        *,
        twin: Twin | Option | None = None,
        shots: int = 1,
        shared: bool = False,
        start: float = 0.5,
    ) -> None:
        if isinstance(twin, OwnTwin):
            raise RecipeError(
                "this twin is not calibrated; learn its constants and judge it by "
                "twin = twinprop.calibrate(device, twin=…)"
            )
        if not isinstance(device, Device):
            raise RecipeError(
                f"device is {type(device).__name__}; make a function a device by @twinprop.device(…), or open one"
            )
        self.device = device
        self.twin = twin
        self.shots = whole("shots", shots, 1)
        self.shared = shared
        self.start = start

    def __repr__(self) -> str:
        return f"Physical({self.device.name}, shots={self.shots})"


class Network:
    """Stages from input to output: names, tables of options as in a recipe, and physical layers.

    Stages without options are `"encode"`, `"scale"`, `"channel_scale"`, `"relu"`, `"tanh"`, `"wire"`, `"spike_counts"` and
    `"readout"`; others are `{"linear": {"outputs": 10}}`, `{"dropout": {"rate": 0.1}}`, `{"softplus": {"beta": 5.0}}`,
    `{"convolution": {"channels": 8, "size": 3}}`, `{"pool": {"size": 2}}`, `{"pad": …}`, `{"slice": …}`, `{"skip": …}`,
    `{"jitter": …}` and `{"patches": …}`. Those of images (`patches`, `convolution`, `pool`, `channel_scale`) need data that
    are images, such as a recipe's; arrays of features are none.

    >>> import twinprop as tp
    >>> lab = tp.simulate("pendula", count=3)
    >>> tp.Network("encode", tp.Physical(lab, shots=4), "scale", tp.Physical(lab, shots=4), "readout")
    Network('encode', Physical(pendula, shots=4), 'scale', Physical(pendula, shots=4), 'readout')
    """

    def __init__(self, *stages: Stage) -> None:
        if not stages:
            raise RecipeError("a network has at least one stage, such as 'encode'")
        self.stages = stages
        self.devices: dict[str, Device] = {}
        """Its devices by name, which is their kind, with a number where several are of one kind."""
        self._twins: dict[str, Twin | Option] = {}
        for stage in stages:
            if isinstance(stage, Device):
                raise RecipeError(f"device `{stage.name}` is no stage; wrap it: twinprop.Physical({stage.name})")
            if not isinstance(stage, (str, Mapping, Physical)):
                raise RecipeError(
                    f"a stage is {type(stage).__name__}; stages are names, tables of options and twinprop.Physical, one "
                    "argument each"
                )
            if isinstance(stage, Physical):
                self._add(stage)

    @property
    def twins(self) -> dict[str, Twin]:
        """Calibrated twins by the names of their devices."""
        return {name: twin for name, twin in self._twins.items() if isinstance(twin, Twin)}

    def _name(self, device: Device) -> str | None:
        return next((name for name, known in self.devices.items() if known is device), None)

    def _add(self, stage: Physical) -> None:
        name = self._name(stage.device)
        if name is None:
            kind, number = stage.device.name, 1
            name = kind
            while name in self.devices:
                number += 1
                name = f"{kind}-{number}"
            self.devices[name] = stage.device
        if stage.twin is not None and self._twins.setdefault(name, stage.twin) != stage.twin:
            raise RecipeError(f"two layers give `{name}` two twins, or twins of different kinds; a device has one")

    def _tables(self) -> dict[str, Any]:
        """The tables `network` and `devices` of a recipe."""
        stages = [
            {
                "physical": {
                    "device": self._name(stage.device),
                    "shots": stage.shots,
                    "shared": bool(stage.shared),
                    "start": float(stage.start),
                }
            }
            if isinstance(stage, Physical)
            else stage
            for stage in self.stages
        ]
        # A calibrated twin is passed beside the recipe.
        kinds = {name: twin for name, twin in self._twins.items() if not isinstance(twin, Twin)}
        devices = {name: {"twin": kinds[name]} if name in kinds else {} for name in self.devices}
        return {"network": stages, "devices": devices}

    def __repr__(self) -> str:
        return f"Network({', '.join(map(repr, self.stages))})"


def recipe_twin(twin: Twin) -> Any:
    """The kind of a calibrated twin as a recipe names it."""
    return json.loads(twin._native.config) if isinstance(twin, _NativeTwin) else "given"


def is_served(twin: Twin) -> bool:
    """Whether a rig computes it."""
    kind = recipe_twin(twin)
    return isinstance(kind, dict) and "served" in kind


def passed_twins(twins: Mapping[str, Twin] | None) -> dict[str, Any]:
    """Twins as the Rust half takes them: its own, or functions with an interface."""
    passed: dict[str, Any] = {}
    for name, twin in (twins or {}).items():
        if isinstance(twin, _NativeTwin):
            passed[name] = twin._native
        elif isinstance(twin, _JudgedTwin):
            passed[name] = (twin.own.predict, twin.own.vjp, twin.interface._to_json())
        else:
            raise RecipeError(
                f"the twin of `{name}` is {type(twin).__name__}; pass what twinprop.calibrate returned"
            )
    return passed

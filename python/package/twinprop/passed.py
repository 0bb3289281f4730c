"""What a program passes to a run beside its recipe: devices, samples, twins and a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .calibration import Twin
from .devices import Device, _make_safe
from .errors import RecipeError
from .losses import Loss, passed_loss
from .network import passed_twins
from .samples import Prepared, Samples, prepared

__all__ = ["Devices", "Passed", "Twins", "named"]

Devices: TypeAlias = "Device | str | Mapping[str, Device | str] | None"
"""Devices of this process or addresses of rigs, by their names in the recipe; alone where it has one device."""
Twins: TypeAlias = "Twin | Mapping[str, Twin] | None"


def named(values: Any, names: list[str], what: str) -> dict[str, Any]:
    """`values` by name; a value alone belongs to the only one of `names`."""
    if values is None:
        return {}
    if isinstance(values, Mapping):
        return dict(values)
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise RecipeError(f"pass a dict of {what} by name; the recipe's devices are: {known}")
    return {names[0]: values}


@dataclass(frozen=True)
class Passed:
    """Devices, samples, twins and a loss."""

    devices: dict[str, Device]
    """Devices of this process by their names in the recipe."""
    targets: dict[str, str]
    """Addresses of rigs by the same names."""
    data: Prepared | None
    """Samples."""
    twins: dict[str, Twin]
    """Calibrated twins by the names of their devices."""
    loss: Loss | None
    """The loss, where it is a function."""

    @staticmethod
    def of(
        names: list[str], devices: Devices, data: Prepared | None, twins: Twins, loss: Loss | None
    ) -> Passed:
        """What was passed, for a recipe with the devices `names`."""
        by_name = named(devices, names, "devices")
        unknown = [name for name in by_name if name not in names]
        if unknown:
            known = ", ".join(names) or "none"
            raise RecipeError(f"the recipe has no device `{unknown[0]}`; its devices are: {known}")
        return Passed(
            {name: device for name, device in by_name.items() if isinstance(device, Device)},
            {name: device for name, device in by_name.items() if isinstance(device, str)},
            data,
            named(twins, names, "twins"),
            loss,
        )

    @staticmethod
    def of_run(
        recipe: Mapping[str, Any],
        devices: Devices,
        data: Samples | tuple[Samples, Samples] | None,
        test: float,
        twins: Twins,
        loss: Loss | None,
    ) -> Passed:
        """What was passed for a run of `recipe`; `data` are divided as they were in it."""
        names = list(recipe.get("devices", {}))
        return Passed.of(names, devices, prepared(data, test, recipe["seed"]), twins, loss)

    def native(self) -> dict[str, Any]:
        """The same as the Rust half takes it."""
        return {
            "devices": {name: device._native for name, device in self.devices.items()},
            "data": self.data,
            "twins": passed_twins(self.twins),
            "loss": passed_loss(self.loss),
        }

    def rigs(self) -> list[str]:
        """The rigs, each `NAME=TARGET`."""
        return [f"{name}={target}" for name, target in self.targets.items()]

    def make_safe(self) -> None:
        """Brings the devices of this process to their safe states."""
        _make_safe(self.devices.values())

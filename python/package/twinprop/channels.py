"""Channels of a device: banks of one unit and one range."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import RecipeError

__all__ = ["Bank", "Channels", "Interface", "bank", "complex_bank", "raster", "whole"]


@dataclass(frozen=True)
class Bank:
    """A run of channels of one kind.

    >>> import twinprop as tp
    >>> tp.bank("drive", 9, "V", 0, 1)
    Bank(name='drive', count=9, unit='V', minimum=0.0, maximum=1.0, largest_step=None, part=None, steps=None)
    """

    name: str
    """What its channels drive or read."""
    count: int
    """How many channels."""
    unit: str
    """Unit of their values; `"1"` for a fraction."""
    minimum: float
    """Smallest value that may reach, or come from, the device."""
    maximum: float
    """Largest such value."""
    largest_step: float | None = None
    """Largest change from one shot to the next; `None` is any."""
    part: str | None = None
    """The part of complex amplitudes that its channels have: `"in_phase"`, followed by a bank of `"quadrature"` parts, or
    `"amplitude"`, followed by a bank of `"phase"`s in rad. `None` for channels that stand alone."""
    steps: int | None = None
    """Steps of a raster, whose cells are 1 for a spike and 0 without one, step by step. `None` for channels that are no
    raster."""

    def _json(self) -> dict[str, Any]:
        values = {
            "name": self.name,
            "count": self.count,
            "unit": self.unit,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }
        if self.largest_step is not None:
            values["largest_step"] = self.largest_step
        if self.part is not None:
            values["part"] = self.part
        if self.steps is not None:
            values["steps"] = self.steps
        return values


Channels: TypeAlias = "Bank | Iterable[Bank]"


def bank(
    name: str,
    count: int,
    unit: str,
    minimum: float,
    maximum: float,
    largest_step: float | None = None,
) -> Bank:
    """A bank of `count` channels with values from `minimum` to `maximum` in `unit`."""
    step = None if largest_step is None else float(largest_step)
    count = whole(f"the number of channels of bank {name!r}", count, 1)
    if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
        raise RecipeError(
            f"bank {name!r} goes from {minimum} to {maximum}; give two finite numbers, the smaller one first"
        )
    if step is not None and not step > 0:
        raise RecipeError(f"bank {name!r} has the largest step {step}; it must be above 0")
    return Bank(name, count, unit, float(minimum), float(maximum), step)


def complex_bank(
    name: str, count: int, unit: str, largest: float, *, polar: bool = False
) -> tuple[Bank, Bank]:
    """Two banks that carry `count` complex amplitudes up to `largest`: their in-phase and quadrature parts, or with
    `polar` their amplitudes and phases.

    >>> import twinprop as tp
    >>> field, phase = tp.complex_bank("field", 64, "V", 2, polar=True)
    >>> field.maximum, phase.unit
    (2.0, 'rad')
    """
    if not (math.isfinite(largest) and largest > 0):
        raise RecipeError(
            f"the amplitudes of {name!r} go up to {largest}; give a finite number above 0"
        )
    if polar:
        amplitude = bank(f"amplitude of {name}", count, unit, 0, largest)
        phase = bank(f"phase of {name}", count, "rad", -math.pi, math.pi)
        return replace(amplitude, part="amplitude"), replace(phase, part="phase")
    in_phase = bank(f"in-phase {name}", count, unit, -largest, largest)
    quadrature = bank(f"quadrature {name}", count, unit, -largest, largest)
    return replace(in_phase, part="in_phase"), replace(quadrature, part="quadrature")


def raster(name: str, lines: int, steps: int) -> Bank:
    """A bank of spikes: `lines` lines in `steps` steps, step after step, with a cell of 1 for a spike and 0 without one.

    >>> import twinprop as tp
    >>> tp.raster("spike", 64, 80).count
    5120
    """
    lines = whole(f"the number of lines of raster {name!r}", lines, 1)
    steps = whole(f"the number of steps of raster {name!r}", steps, 1)
    return replace(bank(name, lines * steps, "1", 0, 1), steps=steps)


def whole(name: str, value: Any, least: int) -> int:
    """`value` as a whole number from `least`; `name` is for messages."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if number < least or number != value:
        raise RecipeError(f"{name} is {value!r}; give a whole number from {least}")
    return number


def _banks(channels: Channels | None) -> tuple[Bank, ...]:
    if channels is None:
        return ()
    return (channels,) if isinstance(channels, Bank) else tuple(channels)


def normalisation(banks: tuple[Bank, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles and half widths of the channels' ranges, `(channels,)` each: what 0 and 1 of normalised values are."""
    counts = np.array([bank.count for bank in banks], np.int64)
    low = np.repeat(np.array([bank.minimum for bank in banks], np.float64), counts)
    high = np.repeat(np.array([bank.maximum for bank in banks], np.float64), counts)
    return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True)
class Interface:
    """What a device accepts and returns."""

    device: str
    """Kind of device."""
    inputs: tuple[Bank, ...]
    """Channels that carry data."""
    parameters: tuple[Bank, ...]
    """Channels that carry trainable parameters."""
    outputs: tuple[Bank, ...]
    """Channels that are measured."""
    seconds_per_shot: float
    """Time that a shot takes on the device."""

    @property
    def n_inputs(self) -> int:
        """Number of input channels, I."""
        return sum(bank.count for bank in self.inputs)

    @property
    def n_parameters(self) -> int:
        """Number of parameter channels, P."""
        return sum(bank.count for bank in self.parameters)

    @property
    def n_outputs(self) -> int:
        """Number of output channels, O."""
        return sum(bank.count for bank in self.outputs)

    def _to_json(self) -> str:
        def banks(of: tuple[Bank, ...]) -> list[dict[str, Any]]:
            return [bank._json() for bank in of]

        return json.dumps(
            {
                "device": self.device,
                "inputs": banks(self.inputs),
                "parameters": banks(self.parameters),
                "outputs": banks(self.outputs),
                "seconds_per_shot": self.seconds_per_shot,
            }
        )

    @staticmethod
    def _of_json(text: str) -> Interface:
        values = json.loads(text)

        def banks(key: str) -> tuple[Bank, ...]:
            keys = ("name", "count", "unit", "minimum", "maximum", "largest_step", "part", "steps")
            return tuple(Bank(*(bank.get(k) for k in keys)) for bank in values[key])

        return Interface(
            values["device"],
            banks("inputs"),
            banks("parameters"),
            banks("outputs"),
            values["seconds_per_shot"],
        )

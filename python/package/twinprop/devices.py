"""Devices: a function of this process, a rig on a link, a recording, or a simulated device."""

from __future__ import annotations

import atexit
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .channels import Bank, Channels, Interface, _banks, normalisation
from .errors import DataError, DeviceError, RecipeError
from .progress import Progress, Show

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Device", "device", "open_device", "simulate"]

Floats = NDArray[np.float32]
Measure = Callable[[Floats, Floats], ArrayLike]


class Device:
    """A physical system behind its boundary: drives are clamped into their ranges, readings are checked.

    Made by `twinprop.device`, `twinprop.open_device` and `twinprop.simulate`.
    """

    def __init__(self, native: _native.Device) -> None:
        self._native = native
        self._safe: Callable[[], object] | None = None
        self._simulated: tuple[str, int, dict[str, Any], dict[str, Any]] | None = None
        self.interface = Interface._of_json(native.interface)
        """Channels, ranges and units."""

    @property
    def name(self) -> str:
        """Kind of device."""
        return self.interface.device

    def _model(self) -> dict[str, Any] | None:
        """The table `model` of a simulated device: its nominal equation, for physics twins."""
        if self._simulated is None:
            return None
        kind, _, _, config = self._simulated
        return {kind: config}

    @property
    def shots(self) -> int:
        """Shots played so far."""
        return self._native.shots

    @property
    def clamped(self) -> int:
        """Values that were out of range and were clamped to its nearest end."""
        return self._native.clamped

    def measure(self, x: ArrayLike, theta: ArrayLike) -> Floats:
        """Plays the drives `x` `(S, I)` with the parameters `theta`: readings `(S, O)`, all in the device's units.

        `theta` is `(P,)`, or `(G, P)` with a setting for each of G runs of S / G shots.

        Raises `ShapeError`, `DataError` for a drive that is NaN, `MeasurementError` for a reading out of range,
        `BusyError` where the device is in use, and what a device's own function raises.
        """
        return self._native.measure(x, theta)

    def probe(
        self, seconds: float = 30.0, *, seed: int = 0, progress: bool | Show = True
    ) -> dict[str, Any]:
        """Characterises the device in about `seconds`: rate, repeatability, drift, linearity of each channel.

        It drives the device over all of its ranges, as training does. Returns the values of
        `probe.json`.
        """
        with Progress.of(progress) as shown:
            try:
                options = json.dumps({"seconds": float(seconds), "seed": seed})
                return dict(json.loads(self._native.probe(options, shown)))
            finally:
                self.make_safe()

    def serve(self, *, tcp: str | None = None, serial: str | None = None, **options: Any) -> None:
        """Serves the device to a program on another machine, at an address or a serial port.

        `tcp` is an address such as `127.0.0.1:7777`, `serial` a port such as `/dev/ttyGS0`; without them the device is
        served on standard input and output, for `process:python3 script.py`. In a notebook it is served in the
        background. `options` are those of `twinprop.rig.rig`. The other program names it `tcp://HOST:7777`.
        """
        from . import rig as one_file

        # It has no types: it also runs on Pythons older than this package's.
        rig: Any = one_file

        def banks(of: tuple[Bank, ...]) -> list[Any]:
            return [
                rig.bank(
                    b.name, b.count, b.unit, b.minimum, b.maximum, b.largest_step, part=b.part
                )
                for b in of
            ]

        i = self.interface
        served = rig.rig(
            inputs=banks(i.inputs),
            parameters=banks(i.parameters),
            outputs=banks(i.outputs),
            **{"name": self.name, "seconds_per_shot": i.seconds_per_shot, **options},
        )(self.measure)
        served.safe(self.make_safe)
        arguments = [f"--{key}={value}" for key, value in (("tcp", tcp), ("serial", serial)) if value]
        served.serve(arguments or None)

    def safe(self, function: Callable[[], object]) -> Callable[[], object]:
        """Decorates the function that brings the device to its safe state.

        It is called after a calibration or a training, after an error or Ctrl-C in one, and when Python exits. After
        `measure` and a loop of one's own it is called by `make_safe`, or at the end of `with device:`.
        """
        self._safe = function
        _with_safe_state.add(self)
        return function

    def make_safe(self) -> None:
        """Brings the device to its safe state, if it has played since the last time, or tried to."""
        if not self._native.is_driven:
            return
        try:
            if self._safe is not None:
                self._safe()
        finally:
            self._native.make_safe()
        self._native.mark_safe()

    def __enter__(self) -> Self:
        """For `with device:`, at whose end it goes to its safe state."""
        return self

    def __exit__(self, *_: object) -> None:
        self.make_safe()

    # A device is one thing in the world: a copy is the same device.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._simulated is None:
            raise DeviceError(f"device `{self.name}` cannot be pickled; open it again in the other process")
        return _fabricate, self._simulated

    def __repr__(self) -> str:
        i = self.interface
        return (
            f"<twinprop.Device {i.device}: {i.n_inputs} inputs, {i.n_parameters} parameters, "
            f"{i.n_outputs} outputs, {self.shots} shots played>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        def rows(kind: str, banks: tuple[Bank, ...]) -> str:
            return "".join(
                f"<tr><td>{kind}</td><td>{escape(bank.name)}</td><td>{bank.count}</td>"
                f"<td>{bank.minimum:g} to {bank.maximum:g} {escape(bank.unit)}</td></tr>"
                for bank in banks
            )

        i = self.interface
        head = "<tr><th></th><th>bank</th><th>channels</th><th>range</th></tr>"
        body = rows("input", i.inputs) + rows("parameter", i.parameters) + rows("output", i.outputs)
        caption = f"{escape(i.device)}: {self.shots} shots played, {self.clamped} values clamped"
        return f"<table><caption>{caption}</caption>{head}{body}</table>"


_with_safe_state: set[Device] = set()
"""Devices with a function `safe`, which live until Python has called it at its exit."""


def _make_safe(devices: Iterable[Device]) -> None:
    """Brings all devices to their safe states, also where one of them fails."""
    with ExitStack() as all_of_them:
        for device in devices:
            all_of_them.callback(device.make_safe)


class _FunctionDevice(Device):
    """A function as a device, which can still be called as a function."""

    def __init__(self, native: _native.Device, function: Measure) -> None:
        super().__init__(native)
        self.__wrapped__ = function
        self.__doc__ = function.__doc__

    def __call__(self, x: Floats, theta: Floats) -> ArrayLike:
        """Calls the function itself, which counts no shot; drives out of range are refused."""
        i = self.interface
        for name, values, banks in (("x", x, i.inputs), ("theta", theta, i.parameters)):
            middle, half = normalisation(banks)
            array = np.asarray(values, np.float64)
            is_inside = np.abs(array - middle) <= half * (1 + 1e-6) if array.shape[-1:] == middle.shape else True
            if not np.all(is_inside):
                raise DataError(
                    f"`{name}` has values out of the range of `{i.device}`, or NaN; `measure` clamps what is out of range"
                )
        return self.__wrapped__(x, theta)


def device(
    *,
    inputs: Channels,
    outputs: Channels,
    parameters: Channels | None = None,
    seconds_per_shot: float = 1e-6,
    name: str | None = None,
    each_shot: bool = False,
) -> Callable[[Measure], _FunctionDevice]:
    """Makes a function `(x, theta) -> readings` a device in this process.

    `x` is float32 `(S, I)`, `theta` float32 `(P,)`, and the readings `(S, O)`, all in the units of the channels.
    With `each_shot=True`, `theta` is `(S, P)`, for a device that sets its parameters shot by shot.

    >>> import twinprop as tp
    >>> @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), parameters=tp.bank("gain", 1, "1", 0, 2),
    ...            outputs=tp.bank("y", 1, "V", -2, 2))
    ... def amplifier(x, theta):
    ...     return x * theta
    >>> amplifier.measure([[0.5], [7.0]], [2.0])  # 7 V is clamped to 1 V
    array([[1.],
           [2.]], dtype=float32)
    >>> amplifier.clamped
    1
    """
    if not (math.isfinite(seconds_per_shot) and seconds_per_shot > 0):
        raise RecipeError(f"seconds_per_shot is {seconds_per_shot}; it must be above 0")

    def decorate(function: Measure) -> _FunctionDevice:
        called = name or str(getattr(function, "__name__", "device"))
        interface = Interface(
            called, _banks(inputs), _banks(parameters), _banks(outputs), float(seconds_per_shot)
        )
        native = _native.Device(function, interface._to_json(), each_shot)
        return _FunctionDevice(native, function)

    return decorate


def open_device(target: str | Sequence[str]) -> Device:
    """Opens a real device or a recording.

    `target` is `serial:///dev/ttyACM0`, `tcp://127.0.0.1:7777`, `process:python3 rig.py` or `replay:FOLDER`; a list
    of rigs of one kind is a farm, and each shot goes to the first free one.
    """
    return Device(_native.open_device([target] if isinstance(target, str) else list(target)))


def simulate(
    kind: str,
    *,
    seed: int = 0,
    imperfections: Mapping[str, Any] | None = None,
    **config: Any,
) -> Device:
    """Fabricates a copy of a simulated device; `seed` draws its mismatch and its noise.

    `kind` is `second_harmonic`, `mzi_mesh`, `coherent_stack`, `microring_bank`, `diffractive`, `oscillators`, `pendula`,
    `plate`, `transistor`, `crossbar`, `lif_chip` or `learning_chip`; `config` and `imperfections` have the keys of a
    recipe's device.

    >>> import twinprop as tp
    >>> tp.simulate("pendula", count=3, seed=1, imperfections={"mismatch": 0.1})
    <twinprop.Device pendula: 3 inputs, 5 parameters, 3 outputs, 0 shots played>
    """
    return _fabricate(kind, seed, dict(imperfections or {}), config)


def _fabricate(kind: str, seed: int, imperfections: dict[str, Any], config: dict[str, Any]) -> Device:
    model = {"model": {kind: config}, "imperfections": imperfections}
    made = Device(_native.simulate(json.dumps(model), seed))
    made._simulated = (kind, seed, imperfections, config)
    return made


@atexit.register
def _make_all_safe() -> None:
    import traceback

    for opened in list(_with_safe_state):
        try:
            opened.make_safe()
        except Exception:  # The others must still be made safe.
            traceback.print_exc()
    for target in _native.make_all_safe():
        print(f"{target} has not confirmed its safe state: it may still be driven", file=sys.stderr)

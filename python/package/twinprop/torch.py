"""Physical layers in PyTorch: the forward pass is measured, the backward pass is the twin's VJP.

PyTorch's threads spin for milliseconds after each of its parallel operations, on the cores that the device's simulation
and the twin compute on. Where the networks around the device are small, call `torch.set_num_threads(1)`: a step of two
small layers on two cores then takes three quarters of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .calibration import Twin, check_twin
from .channels import Bank, normalisation, whole
from .devices import Device
from .errors import ShapeError

__all__ = ["PhysicalModule"]


Floats = np.ndarray[Any, np.dtype[np.float32]]


class _Play(torch.autograd.Function):
    """Forward on the device, backward by the twin at the measured point, and the range penalty.

    It is one function on arrays: a chain of PyTorch's functions has a backward pass for each clamp, unit and reordering,
    which takes longer.
    """

    @staticmethod
    def forward(x: Tensor, theta: Tensor, layer: PhysicalModule) -> tuple[Tensor, ...]:
        drives, settings = _array(x), _array(theta)
        in_range, settings_in_range = drives.clip(-1, 1), settings.clip(-1, 1)
        beyond, settings_beyond = drives - in_range, settings - settings_in_range
        penalty = np.vdot(beyond, beyond) / max(len(drives), 1) + np.vdot(settings_beyond, settings_beyond)
        drives = layer._input_ranges.to_device(_by_shot(in_range, layer.shots))
        settings = layer._parameter_ranges.to_device(settings_in_range)
        readings = layer.device.measure(drives, settings)
        y = torch.from_numpy(_by_sample(layer._output_ranges.of_device(readings), layer.shots))
        saved = (drives, settings, readings, beyond, settings_beyond)
        return (
            y.to(x.device, theta.dtype),
            torch.tensor(penalty, dtype=torch.float32, device=x.device),
            *(torch.from_numpy(values) for values in saved),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.layer = inputs[2]
        ctx.devices = inputs[0].device, inputs[1].device
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(*output[2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dpenalty: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        layer: PhysicalModule = ctx.layer
        drives, settings, readings, beyond, settings_beyond = (value.numpy() for value in ctx.saved_tensors)
        if dy is None:
            dx, dtheta = np.zeros_like(beyond), np.zeros_like(settings)
        else:
            cotangents = _by_shot(_array(dy) / layer._output_ranges.half_of_all(layer.shots), layer.shots)
            dx, dtheta = layer.twin.vjp(drives, settings, cotangents, readings)
            dx = _by_sample(dx * layer._input_ranges.half, layer.shots)
            dtheta = dtheta * layer._parameter_ranges.half
        for gradient, outside, samples in ((dx, beyond, len(dx)), (dtheta, settings_beyond, 1)):
            if outside.any():
                gradient *= outside == 0
                if dpenalty is not None:
                    gradient += (2 / samples * float(dpenalty)) * outside
        return torch.from_numpy(dx).to(ctx.devices[0]), torch.from_numpy(dtheta).to(ctx.devices[1]), None


def _array(tensor: Tensor) -> Floats:
    values: Floats = tensor.detach().to("cpu", torch.float32).numpy()
    return values


def _by_shot(values: Floats, shots: int) -> Floats:
    """`(B, shots · C)` as `(shots · B, C)`: all samples of a shot follow each other, as they share its parameters."""
    samples, width = values.shape
    parts = values.reshape(samples, shots, width // shots).swapaxes(0, 1)
    return np.ascontiguousarray(parts).reshape(shots * samples, width // shots)


def _by_sample(values: Floats, shots: int) -> Floats:
    """`(shots · B, C)` as `(B, shots · C)`."""
    rows, width = values.shape
    parts = values.reshape(shots, rows // shots, width).swapaxes(0, 1)
    return np.ascontiguousarray(parts).reshape(rows // shots, shots * width)


class _Ranges:
    """The ranges of channels as −1 to 1: one number for all channels with one range, which is faster."""

    def __init__(self, banks: tuple[Bank, ...]) -> None:
        self.middle, self.half = map(_constant, normalisation(banks))

    def to_device(self, values: Floats) -> Floats:
        return values * self.half + self.middle

    def of_device(self, values: Floats) -> Floats:
        return (values - self.middle) / self.half

    def half_of_all(self, shots: int) -> Floats | np.float32:
        """`half` of the channels of `shots` shots side by side."""
        return np.tile(self.half, shots) if isinstance(self.half, np.ndarray) else self.half


def _constant(values: np.ndarray[Any, np.dtype[np.float64]]) -> Floats | np.float32:
    return np.float32(values[0]) if len(set(values)) == 1 else values.astype(np.float32)


class PhysicalModule(nn.Module):
    """A device as a layer: `(B, shots · I)` to `(B, shots · O)`.

    Inputs and parameters are normalised: −1 and 1 are the ends of their channels' ranges, and so are the readings.
    What is beyond is clamped by the device's boundary, where its gradient is zero; `penalty` pulls it back. Each of
    the `shots` of a sample has parameters of its own: `theta`, `(shots, P)`.

    `shared=True` gives all shots the same parameters, `(1, P)`.
    """

    theta: nn.Parameter

    def __init__(
        self, device: Device, twin: Twin, shots: int = 1, *, shared: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        check_twin(twin, device)
        self.device = device
        self.twin = twin
        self.shots = shots = whole("shots", shots, 1)
        interface = device.interface
        settings = 1 if shared else shots
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(settings, interface.n_parameters, generator=generator)
        self.theta = nn.Parameter(2 * drawn - 1)
        self._input_ranges, self._parameter_ranges, self._output_ranges = (
            _Ranges(banks) for banks in (interface.inputs, interface.parameters, interface.outputs)
        )
        self._beyond: Tensor | None = None

    @torch.compiler.disable
    def forward(self, x: Tensor) -> Tensor:
        """Plays `x` `(B, shots · I)` on the device: readings `(B, shots · O)`."""
        width = self.shots * self.device.interface.n_inputs
        if x.dim() != 2 or x.shape[1] != width:
            raise ShapeError(
                f"`x` has the shape {tuple(x.shape)}, and (batch, {width}) is expected: "
                f"{self.shots} shots of {self.device.interface.n_inputs} inputs"
            )
        readings: Tensor
        readings, self._beyond, *_ = _Play.apply(x, self.theta, self)
        return readings

    def penalty(self) -> Tensor:
        """Range penalty of the last forward pass: squares of how far drives, a sample, and parameters are out of range."""
        if self._beyond is None:
            return self.theta.new_zeros(())
        return self._beyond

    def settings(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Parameters in the device's units, `(shots, P)`."""
        return self._parameter_ranges.to_device(_array(self.theta).clip(-1, 1))

    def __getstate__(self) -> dict[str, Any]:
        # The penalty belongs to a graph, which can neither be copied nor saved.
        return {**self.__dict__, "_beyond": None}

    def extra_repr(self) -> str:
        """Device and shots, for `print`."""
        return f"{self.device!r}, shots={self.shots}"

"""Physical layers in PyTorch: the forward pass is measured, the backward pass is the twin's VJP."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .calibration import Twin
from .devices import Device
from .errors import ShapeError

__all__ = ["PhysicalModule"]


class _Measure(torch.autograd.Function):
    """Forward on the device, backward by the twin at the measured point."""

    @staticmethod
    def forward(x: Tensor, theta: Tensor, device: Device, twin: Twin) -> Tensor:
        readings = device.measure(_array(x), _array(theta))
        return torch.from_numpy(readings).to(x.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, theta, _, twin = inputs
        ctx.save_for_backward(x, theta, output)
        ctx.twin = twin

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, theta, y = ctx.saved_tensors
        dx, dtheta = ctx.twin.vjp(_array(x), _array(theta), _array(dy), _array(y))
        return torch.from_numpy(dx).to(x.device), torch.from_numpy(dtheta).to(x.device), None, None


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    values: np.ndarray[Any, np.dtype[np.float32]] = tensor.detach().to("cpu", torch.float32).numpy()
    return values


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
        if device.interface != twin.interface:
            raise ShapeError(
                f"the twin is of another device: it has the interface {twin.interface}, "
                f"and the device {device.interface}"
            )
        self.device = device
        self.twin = twin
        self.shots = shots
        interface = device.interface
        settings = 1 if shared else shots
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(settings, interface.n_parameters, generator=generator)
        self.theta = nn.Parameter(2 * drawn - 1)
        for name, banks in (
            ("input", interface.inputs),
            ("parameter", interface.parameters),
            ("output", interface.outputs),
        ):
            middle = [0.5 * (bank.minimum + bank.maximum) for bank in banks for _ in range(bank.count)]
            half = [0.5 * (bank.maximum - bank.minimum) for bank in banks for _ in range(bank.count)]
            self.register_buffer(f"_{name}_middle", torch.tensor(middle), persistent=False)
            self.register_buffer(f"_{name}_half", torch.tensor(half), persistent=False)
        self._beyond: Tensor | None = None

    def _buffer(self, name: str) -> Tensor:
        return self.get_buffer(name)

    @torch.compiler.disable
    def forward(self, x: Tensor) -> Tensor:
        """Plays `x` `(B, shots · I)` on the device: readings `(B, shots · O)`."""
        width = self.shots * self.device.interface.n_inputs
        if x.dim() != 2 or x.shape[1] != width:
            raise ShapeError(
                f"`x` has the shape {tuple(x.shape)}, and (batch, {width}) is expected: "
                f"{self.shots} shots of {self.device.interface.n_inputs} inputs"
            )
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            batch, shots = x.shape[0], self.shots
            beyond = (x.abs() - 1).clamp(min=0).square().sum(1).mean()
            self._beyond = beyond + (self.theta.abs() - 1).clamp(min=0).square().sum()
            # All samples of a shot follow each other, as they share its parameters.
            drives = x.reshape(batch, shots, -1).transpose(0, 1).reshape(shots * batch, -1)
            drives = drives.clamp(-1, 1) * self._buffer("_input_half") + self._buffer("_input_middle")
            theta = self.theta.clamp(-1, 1) * self._buffer("_parameter_half")
            theta = theta + self._buffer("_parameter_middle")
            readings: Tensor = _Measure.apply(drives, theta, self.device, self.twin)
            readings = (readings - self._buffer("_output_middle")) / self._buffer("_output_half")
            return readings.reshape(shots, batch, -1).transpose(0, 1).reshape(batch, -1)

    def penalty(self) -> Tensor:
        """Range penalty of the last forward pass: squares of how far drives, a sample, and parameters are out of range."""
        if self._beyond is None:
            return self.theta.new_zeros(())
        return self._beyond

    def settings(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Parameters in the device's units, `(shots, P)`."""
        theta = self.theta.detach().clamp(-1, 1) * self._buffer("_parameter_half")
        return _array(theta + self._buffer("_parameter_middle"))

    def extra_repr(self) -> str:
        """Device and shots, for `print`."""
        return f"{self.device!r}, shots={self.shots}"

"""A multimode fibre with a camera, trained through its own equation with learned constants.

A modulator sets 64 phases, a fibre mixes them, a phase plate in the middle has 32 phases that are trained, a second
fibre mixes them again, and a camera reads 40 pixels. Nobody knows what the fibres do, but the equation is known:
calibration learns its constants from 8,000 shots. A neural twin knows nothing of the fibre and learns little of it.

Needs PyTorch: pip install twinprop[torch] scikit-learn
"""

from __future__ import annotations

import tempfile
import time

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import twinprop as tp

Floats = NDArray[np.float32]
Complex = NDArray[np.complex128]

INPUTS, PLATE, PIXELS, MODES = 64, 32, 40, 64
STROKE = 0.5
"""Largest phase of the modulator, in rad. With a larger one, small changes of an image change the whole speckle."""
EXPOSURE = 0.15
"""Mean reading, as a share of a pixel's well."""
ELECTRONS = 20_000
"""Electrons in a full well."""
DARK = 0.01
"""Reading without light, as a share of a well."""
DRIFT = 5e-5
"""Random walk of each mode's phase in a shot, in rad: 0.05 rad after a million shots."""


class Fibre:
    """A fibre whose modes drift: its transmission matrix is `out · diag(exp(i phase)) · in`."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.into = self._draw(MODES, inputs)
        self.out = self._draw(outputs, MODES)
        self.phase = np.zeros(MODES)

    def _draw(self, rows: int, columns: int) -> Complex:
        parts = self.rng.normal(size=(2, rows, columns)) / np.sqrt(2 * columns)
        drawn: Complex = parts[0] + 1j * parts[1]
        return drawn

    def transmit(self, field: Complex) -> Complex:
        """Fields `(S, outputs)` at its end from those `(S, inputs)` at its start."""
        self.phase += self.rng.normal(scale=DRIFT * np.sqrt(len(field)), size=MODES)
        sent: Complex = (field @ self.into.T * np.exp(1j * self.phase)) @ self.out.T
        return sent


def make_lab(seed: int) -> tp.Device:
    """The laboratory: two fibres, a phase plate and a camera; `seed` draws the fibres, their drift and the noise."""
    rng = np.random.default_rng(seed)
    first, second = Fibre(INPUTS, PLATE, rng), Fibre(PLATE, PIXELS, rng)

    @tp.device(
        inputs=tp.bank("modulator", INPUTS, "rad", -STROKE, STROKE),
        parameters=tp.bank("plate", PLATE, "rad", -np.pi, np.pi),
        outputs=tp.bank("pixel", PIXELS, "1", 0, 1),
        seconds_per_shot=1e-4,
        each_shot=True,
    )
    def fibre(x: Floats, theta: Floats) -> Floats:
        """Readings `(S, 40)`, as shares of a full well, from phases `(S, 64)` and `(S, 32)` in rad."""
        light = second.transmit(np.exp(1j * theta) * first.transmit(np.exp(1j * x)))
        electrons = rng.poisson(ELECTRONS * (EXPOSURE * np.abs(light) ** 2 + DARK))
        return np.minimum(electrons / ELECTRONS, 1).astype(np.float32)

    return fibre


class Equation(torch.nn.Module):
    """y = min(|T₂ (exp(iθ) ⊙ T₁ exp(ix))|² + dark, 1); it starts from random matrices of the right size."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        first = torch.randn(PLATE, INPUTS, dtype=torch.cfloat, generator=rng) / INPUTS**0.5
        second = torch.randn(PIXELS, PLATE, dtype=torch.cfloat, generator=rng) / PLATE**0.5
        self.dark = torch.nn.Parameter(torch.zeros(PIXELS))
        self.first = torch.nn.Parameter(first)
        self.second = torch.nn.Parameter(second * EXPOSURE**0.5)

    def forward(self, x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """Readings `(S, 40)` of phases `(S, 64)` and `(S, 32)` or `(1, 32)`, in rad."""
        light = (torch.exp(1j * theta) * (torch.exp(1j * x) @ self.first.T)) @ self.second.T
        return (light.real**2 + light.imag**2 + self.dark).clamp(max=1)


Samples = tuple[NDArray[np.float64], NDArray[np.int64]]


def digits() -> tuple[Samples, Samples]:
    """8 × 8 images of digits `(N, 64)` and their classes `(N,)`, to train and to test."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return (x, y), (x_test, y_test)


def accuracy(lab: tp.Device, twin: tp.Twin, epochs: int) -> float:
    """Trains two passes through the fibre by PAT with `twin`; returns the measured accuracy on the test images."""
    (x, y), test = digits()
    network = tp.Network(
        "encode",
        {"jitter": {"deviation": 0.3}},
        tp.Physical(lab, twin=twin, shots=8),
        "scale",
        tp.Physical(lab, twin=twin, shots=4),
        "scale",
        "readout",
    )
    # Without these two, a training refuses a twin whose gradient may be 0, and a neural twin learns on from its shots.
    same_for_both = {"calibration.require": "none", "training.refinement": "off"}
    with tempfile.TemporaryDirectory() as folder:
        run = tp.train(
            network,
            x,
            y,
            test=test,
            epochs=epochs,
            batch=16,
            learning_rate=0.02,
            out=f"{folder}/run",
            progress=False,
            set=same_for_both,
        )
        return run.evaluate().test_score


def compare(name: str, lab: tp.Device, twin: tp.OwnTwin | str, shots: int, epochs: int) -> float:
    """Calibrates `lab` and trains with the twin; prints what it costs, and returns the test accuracy."""
    start = time.perf_counter()
    fit = {} if isinstance(twin, str) else {"epochs": 60}
    judged = tp.calibrate(lab, shots=shots, twin=twin, fit=fit, progress=False)
    seconds = time.perf_counter() - start
    print(f"{name}: {shots:,} shots to learn, {lab.shots - shots:,} to judge, {seconds:.0f} s")
    print(f"  {judged.fidelity}", flush=True)
    played, start = lab.shots, time.perf_counter()
    score = accuracy(lab, judged, epochs)
    seconds = time.perf_counter() - start
    print(f"  test accuracy {score:.1%}: {epochs} epochs, {lab.shots - played:,} shots, {seconds:.0f} s", flush=True)
    return score


def main(epochs: int = 40, seed: int = 1) -> tuple[float, float]:
    """Test accuracies with the equation and with a neural twin, each on the same fibre."""
    # The matrices are small: threads would only wait for each other.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        own = compare("own equation", make_lab(seed), tp.twin(Equation()), 8000, epochs)
        neural = compare("neural twin", make_lab(seed), "neural", 20_000, epochs)
    return own, neural


if __name__ == "__main__":
    main()

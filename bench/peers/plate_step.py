"""PyTorch's side of the digits on the driven plate, as `plate_step.py SAMPLES`.

Three layers of four shots, each shot with 64 data samples alternating with 64 trainable ones; 16 modes, four steps of
the modal propagator per sample, 64 readings; noise on drives and readings; the equation as twin; scale and offset
between the layers; batch 32, Adam. The twin's constants are learned from 2,000 shots, 64 per step.
"""

import torch

from fitting import passes
from physics_aware import Layer, Scale, layers_of_shots, noisy
from timed import samples

CLASSES, FEATURES, LAYERS, SHOTS = 10, 64, 3, 4
INPUTS, PARAMETERS, OUTPUTS, MODES, STEPS_PER_SAMPLE, KICK = 64, 64, 64, 16, 4, 0.01
STEPS = (INPUTS + PARAMETERS) * STEPS_PER_SAMPLE
CALIBRATION_SHOTS, CALIBRATION_BATCH = 2000, 64

CONSTANTS = [0.1 + 0.4 * torch.rand(MODES, 1) for _ in range(8)]
a, b, c, d, g, r, ratio, shape = CONSTANTS


def predict(x, theta):
    """Exact modal propagator, with a kick by the common tension before each step."""
    data = x.clamp(-1, 1).reshape(-1, SHOTS, INPUTS)
    settings = theta.clamp(-1, 1).expand(len(data), -1, -1)
    # [samples, batch · shots], data samples alternating with trainable ones.
    waveform = torch.stack([data, settings], dim=3).reshape(-1, INPUTS + PARAMETERS).T
    drive, push = g * waveform[:, None], r * waveform[:, None]
    q = torch.zeros(MODES, waveform.shape[1])
    v = torch.zeros(MODES, waveform.shape[1])
    readings = []
    for step in range(STEPS):
        sample = step // STEPS_PER_SAMPLE
        stretch = (ratio * q * q).sum(dim=0)
        v = v - KICK * ratio * q * stretch
        q, v = a * q + b * v + drive[sample], d * v - c * q + push[sample]
        if step + 1 == (len(readings) + 1) * STEPS // OUTPUTS:
            readings.append((shape * v).sum(dim=0))
    return torch.stack(readings, dim=1).clamp(-1, 1).reshape(-1, SHOTS * OUTPUTS)


def measure(x, theta):
    """The same with noise on drives and readings."""
    return noisy(predict(noisy(x, 0.01), theta), 0.01)


layers_of_shots(
    features=torch.rand(samples(), FEATURES) - 0.5,
    digital=None,
    scales=[
        Scale(FEATURES, SHOTS * INPUTS),
        *(Scale(SHOTS * OUTPUTS, SHOTS * INPUTS) for _ in range(LAYERS - 1)),
        Scale(SHOTS * OUTPUTS, SHOTS * OUTPUTS),
    ],
    settings=[torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(LAYERS)],
    device_layer=Layer(measure, predict),
    classes=CLASSES,
    fit=passes(
        predict,
        CONSTANTS,
        [
            torch.rand(CALIBRATION_SHOTS // SHOTS, SHOTS * INPUTS),
            torch.rand(CALIBRATION_SHOTS // SHOTS, SHOTS, PARAMETERS),
        ],
        torch.rand(CALIBRATION_SHOTS // SHOTS, SHOTS * OUTPUTS),
        CALIBRATION_BATCH // SHOTS,
    ),
)

"""PyTorch's side of the vowels on the optical device, as `vowels_step.py SAMPLES [--compiled]`.

Two layers of 22 shots, each shot with its own 18 parameters; second-harmonic generation of 36 channels into 22 bins
with noise on drives and readings; a neural twin of two hidden layers of 256 units; scale and offset between the
layers; batch 32, Adam. The twin is fitted to 25,000 shots, of which a tenth is held out to judge it.
"""

import torch

from fitting import passes
from physics_aware import Layer, Scale, layers_of_shots
from second_harmonic import BINS, CHANNELS, INPUTS, PARAMETERS, SHOTS, drives, measure
from timed import samples

WIDTH, CLASSES, FEATURES = 256, 11, 10
CALIBRATION_SHOTS, CALIBRATION_BATCH = 25_000, 256

twin = torch.nn.Sequential(
    torch.nn.Linear(CHANNELS, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, BINS),
).requires_grad_(False)

layers_of_shots(
    features=torch.rand(samples(), FEATURES) - 0.5,
    digital=None,
    scales=[
        Scale(FEATURES, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * BINS),
    ],
    settings=[torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(2)],
    device_layer=Layer(measure, lambda x, theta: twin(drives(x, theta)).reshape(-1, SHOTS * BINS)),
    classes=CLASSES,
    fit=passes(
        twin,
        list(twin.parameters()),
        [torch.rand(CALIBRATION_SHOTS, CHANNELS)],
        torch.rand(CALIBRATION_SHOTS, BINS),
        CALIBRATION_BATCH,
        held_out=CALIBRATION_SHOTS // 10,
    ),
)

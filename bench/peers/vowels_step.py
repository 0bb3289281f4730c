"""PyTorch's side of the step benchmark: one physics-aware training step of the vowels on the optical device.

Two layers of 22 shots each, every shot with 18 parameters of its own; second-harmonic generation of 36
channels into 22 bins with noise on drives and readings; a neural twin of two hidden layers of 256; scale and
offset between the layers; batch 32, Adam.
"""

import torch

from physics_aware import Layer, Scale, layers_of_shots
from second_harmonic import BINS, CHANNELS, INPUTS, PARAMETERS, SHOTS, drives, measure
from timed import BATCH

WIDTH, CLASSES, FEATURES = 256, 11, 10

twin = torch.nn.Sequential(
    torch.nn.Linear(CHANNELS, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, BINS),
).requires_grad_(False)

layers_of_shots(
    features=torch.rand(BATCH, FEATURES) - 0.5,
    digital=None,
    scales=[
        Scale(FEATURES, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * BINS),
    ],
    settings=[torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(2)],
    device_layer=Layer(measure, lambda x, theta: twin(drives(x, theta)).reshape(-1, SHOTS * BINS)),
    classes=CLASSES,
)

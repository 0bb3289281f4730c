"""PyTorch's side of the step benchmark: one physics-aware training step of the MNIST hybrid.

A digital layer from 196 pixels to the spectra of 22 pulses, then two layers of 22 shots of second-harmonic
generation, every shot with 18 parameters of its own; noise on drives and readings; the twin is the equation;
scale and offset between the layers; batch 32, Adam.
"""

import torch

from physics_aware import Layer, Scale, layers_of_shots
from second_harmonic import BINS, INPUTS, PARAMETERS, SHOTS, measure, predict
from timed import BATCH

CLASSES, PIXELS = 10, 196

layers_of_shots(
    features=torch.rand(BATCH, PIXELS) - 0.5,
    digital=torch.nn.Linear(PIXELS, SHOTS * INPUTS),
    scales=[
        Scale(SHOTS * INPUTS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * BINS),
    ],
    settings=[torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(2)],
    device_layer=Layer(measure, predict),
    classes=CLASSES,
)

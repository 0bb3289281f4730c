"""PyTorch's side of the MNIST hybrid, as `mnist_hybrid_step.py SAMPLES [--compiled]`.

A digital layer from 196 pixels to the spectra of 22 pulses, then two layers of 22 shots of second-harmonic
generation, each shot with its own 18 parameters; noise on drives and readings; the equation as twin; scale and offset
between the layers; batch 32, Adam. The twin's constants are learned from 4,096 shots, 64 per step.
"""

import torch

from fitting import passes
from physics_aware import Layer, Scale, layers_of_shots
from second_harmonic import BINS, CHANNELS, CONSTANTS, INPUTS, PARAMETERS, SHOTS, measure, predict, respond
from timed import samples

CLASSES, PIXELS = 10, 196
CALIBRATION_SHOTS, CALIBRATION_BATCH = 4096, 64

layers_of_shots(
    features=torch.rand(samples(), PIXELS) - 0.5,
    digital=torch.nn.Linear(PIXELS, SHOTS * INPUTS),
    scales=[
        Scale(SHOTS * INPUTS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * INPUTS),
        Scale(SHOTS * BINS, SHOTS * BINS),
    ],
    settings=[torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(2)],
    device_layer=Layer(measure, predict),
    classes=CLASSES,
    fit=passes(
        respond,
        CONSTANTS,
        [torch.rand(CALIBRATION_SHOTS, CHANNELS)],
        torch.rand(CALIBRATION_SHOTS, BINS),
        CALIBRATION_BATCH,
    ),
)

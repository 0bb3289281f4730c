"""Fits a twin in PyTorch: minibatch Adam on the squared error in units of each channel's variance."""

import torch

from timed import compiled


def passes(predict, weights, drives, readings, batch, held_out=0):
    """Returns a function that makes one pass over the shots, then judges the fit by the last `held_out` shots."""
    predict = compiled(predict)
    optimiser = torch.optim.Adam(weights, lr=2e-3)
    deviation = readings.std(dim=0)
    learned = len(readings) - held_out

    def error(shots):
        difference = predict(*(values[shots] for values in drives)) - readings[shots]
        return (difference / deviation).square().mean()

    def fit():
        # Training steps need no gradient of the twin's weights, so it is enabled only here.
        for weight in weights:
            weight.requires_grad_(True)
        for chosen in torch.randperm(learned).split(batch):
            optimiser.zero_grad()
            error(chosen).backward()
            optimiser.step()
        for weight in weights:
            weight.requires_grad_(False)
        if held_out > 0:
            error(slice(learned, None))

    return fit

"""Fitting a twin in PyTorch: minibatch Adam on the squared error in units of each channel's variance."""

import torch

from timed import compiled


def passes(predict, weights, drives, readings, batch, held_out=0):
    """What makes one pass over the shots, and then judges the fit by the last `held_out` of them."""
    predict = compiled(predict)
    optimiser = torch.optim.Adam(weights, lr=2e-3)
    deviation = readings.std(dim=0)
    learned = len(readings) - held_out

    def error(shots):
        difference = predict(*(values[shots] for values in drives)) - readings[shots]
        return (difference / deviation).square().mean()

    def fit():
        # A training step does not ask how the twin depends on them.
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

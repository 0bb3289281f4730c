"""PyTorch's side of the MNIST oscillators, as `oscillator_step.py SAMPLES [--compiled]`.

196 oscillators, then 206 of which the last ten are the classes; the true device has J_noise 0.2, a
bend of 0.1 and input noise of 0.02; batch 32, Adam.
"""

import torch

from physics_aware import Layer, noisy, serve
from timed import BATCH, samples

STEPS, H, BEND = 5, 0.1, 0.1


def coupling(free):
    symmetric = (free + free.T) / 2
    symmetric = symmetric - torch.diag(torch.diag(symmetric))
    return symmetric - torch.diag(symmetric.sum(axis=0))


def evolve(q, free, e, bend, error):
    """Classical Runge-Kutta on q'' = -sin q + Q sin q + e from rest."""
    matrix = coupling(free)
    if error is not None:
        matrix = matrix + error

    def force(q):
        sine = torch.sin(bend * q)
        return sine @ matrix - sine + e

    p = torch.zeros_like(q)
    for _ in range(STEPS):
        k1q, k1p = p, force(q)
        k2q, k2p = p + H / 2 * k1p, force(q + H / 2 * k1q)
        k3q, k3p = p + H / 2 * k2p, force(q + H / 2 * k2q)
        k4q, k4p = p + H * k3p, force(q + H * k3q)
        q = q + H / 6 * (k1q + 2 * k2q + 2 * k3q + k4q)
        p = p + H / 6 * (k1p + 2 * k2p + 2 * k3p + k4p)
    return q


def oscillators(count):
    """A layer of the true device, with the nominal device as twin."""
    error = coupling(0.2 * 2**0.5 * torch.randn(count, count))
    return Layer(
        lambda q, free, e: evolve(noisy(q, 0.02), free, e, 1 + BEND, error),
        lambda q, free, e: evolve(q, free, e, 1.0, None),
    )


layers = [torch.nn.Linear(size, size) for size in (196, 206)]
factor = torch.nn.Parameter(torch.tensor(1.0))
parameters = [value for one in layers for value in one.parameters()] + [factor]

if __name__ == "__main__":
    first, second = oscillators(196), oscillators(206)
    images, labels = torch.rand(samples(), 196), torch.randint(0, 10, (samples(),))

    def loss(images, labels):
        q = first(images, layers[0].weight, layers[0].bias)
        q = torch.cat([q, torch.zeros(len(q), 10)], dim=1)
        q = second(q, layers[1].weight, layers[1].bias)
        return torch.nn.functional.cross_entropy(factor * q[:, -10:], labels)

    at = (torch.rand(BATCH, 196) - 0.5, layers[0].weight.detach(), layers[0].bias.detach())
    serve(loss, parameters, images, labels, vjp=first.vjp_at(*at))

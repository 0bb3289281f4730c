"""PyTorch's side of the step benchmark: one physics-aware training step of the MNIST oscillators.

196 oscillators, then 206 of which the last ten are the classes; the true device has J_noise 0.2, a
bend of 0.1 and input noise of 0.02; batch 32, Adam. Eager, as many threads as cores. Reads a line a
step and answers with the seconds that it took.
"""

import os
import sys
import time

import torch

torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)
STEPS, H, BATCH, BEND = 5, 0.1, 32, 0.1


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


class PhysicsAware(torch.autograd.Function):
    """Forward on the true device, backward through the twin at the same drive."""

    @staticmethod
    def forward(ctx, q, free, e, error):
        ctx.save_for_backward(q, free, e)
        return evolve(q + 0.02 * torch.randn_like(q), free, e, 1 + BEND, error)

    @staticmethod
    def backward(ctx, cotangent):
        q, free, e = (value.detach().requires_grad_() for value in ctx.saved_tensors)
        with torch.enable_grad():
            y = evolve(q, free, e, 1.0, None)
        return (*torch.autograd.grad(y, (q, free, e), cotangent), None)


layers = [torch.nn.Linear(size, size) for size in (196, 206)]
errors = [coupling(0.2 * 2**0.5 * torch.randn(size, size)) for size in (196, 206)]
factor = torch.nn.Parameter(torch.tensor(1.0))
parameters = [value for layer in layers for value in layer.parameters()] + [factor]
optimiser = torch.optim.Adam(parameters)
images, labels = torch.rand(BATCH, 196), torch.randint(0, 10, (BATCH,))


def step():
    optimiser.zero_grad()
    q = PhysicsAware.apply(images, layers[0].weight, layers[0].bias, errors[0])
    q = torch.cat([q, torch.zeros(BATCH, 10)], dim=1)
    q = PhysicsAware.apply(q, layers[1].weight, layers[1].bias, errors[1])
    torch.nn.functional.cross_entropy(factor * q[:, -10:], labels).backward()
    optimiser.step()


if __name__ == "__main__":
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)

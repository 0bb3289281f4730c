"""PyTorch's side of the step benchmark: one physics-aware training step of the vowels on the optical device.

Two layers of 22 shots each, every shot with 18 parameters of its own; second-harmonic generation of 36
channels into 22 bins with noise on drives and readings; a neural twin of two hidden layers of 256; scale and
offset between the layers; batch 32, Adam. Eager, as many threads as cores. Reads a line a step and answers
with the seconds that it took.
"""

import os
import sys
import time

import torch

torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)
BATCH, SHOTS, INPUTS, PARAMETERS, BINS, WIDTH, CLASSES, FEATURES = 32, 22, 18, 18, 22, 256, 11, 10
CHANNELS = INPUTS + PARAMETERS
FREQUENCIES = 2 * CHANNELS - 1

response = 1 + 0.1 * torch.randn(CHANNELS)
spectrum = torch.randn(CHANNELS, dtype=torch.complex64)
matching = 1 - 0.1 * torch.rand(FREQUENCIES)
places = torch.arange(FREQUENCIES) * BINS // FREQUENCIES
gain = 1e-3 / torch.bincount(places)
twin = torch.nn.Sequential(
    torch.nn.Linear(CHANNELS, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, WIDTH),
    torch.nn.SiLU(),
    torch.nn.Linear(WIDTH, BINS),
).requires_grad_(False)


def drives(x, theta):
    """[batch, shots · inputs] and [shots, parameters] → [batch · shots, channels]."""
    x = x.reshape(-1, SHOTS, INPUTS)
    return torch.cat([x, theta.expand(len(x), -1, -1)], dim=2).reshape(-1, CHANNELS)


def measure(x, theta):
    """S_n = sum of E_k E_(n-k), read as power in bins."""
    noisy = x + 0.01 * torch.randn_like(x)
    u = drives(noisy.clamp(-1, 1), theta.clamp(-1, 1)) / 2 + 0.5
    field = spectrum * torch.sin(torch.pi / 2 * response * u)
    transform = torch.fft.fft(field, 72)
    harmonic = torch.fft.ifft(transform * transform)[:, :FREQUENCIES]
    power = matching * (harmonic.real**2 + harmonic.imag**2)
    y = torch.zeros(len(u), BINS).index_add_(1, places, power) * gain
    y = y.clamp(max=1) + 0.01 * torch.randn_like(y)
    return y.reshape(-1, SHOTS * BINS)


class PhysicsAware(torch.autograd.Function):
    """Forward on the device, backward through the twin at the same drive."""

    @staticmethod
    def forward(ctx, x, theta):
        ctx.save_for_backward(x, theta)
        return measure(x, theta)

    @staticmethod
    def backward(ctx, cotangent):
        x, theta = (value.detach().requires_grad_() for value in ctx.saved_tensors)
        with torch.enable_grad():
            y = twin(drives(x.clamp(-1, 1), theta.clamp(-1, 1))).reshape(-1, SHOTS * BINS)
        return torch.autograd.grad(y, (x, theta), cotangent)


def scales(width_in, width_out):
    place = torch.arange(width_out) * width_in // width_out
    return place, torch.nn.Parameter(torch.ones(width_out)), torch.nn.Parameter(torch.zeros(width_out))


scaling = [
    scales(FEATURES, SHOTS * INPUTS),
    scales(SHOTS * BINS, SHOTS * INPUTS),
    scales(SHOTS * BINS, SHOTS * BINS),
]
settings = [torch.nn.Parameter(torch.rand(SHOTS, PARAMETERS) - 0.5) for _ in range(2)]
temperature = torch.nn.Parameter(torch.tensor(0.0))
trained = [value for _, a, b in scaling for value in (a, b)] + settings + [temperature]
optimiser = torch.optim.Adam(trained, lr=1e-4)
features, labels = torch.rand(BATCH, FEATURES) - 0.5, torch.arange(BATCH) % CLASSES


def outside(value):
    """The penalty on what is out of range."""
    return torch.relu(value.abs() - 1).square().mean()


def step():
    optimiser.zero_grad()
    x, penalty = features, 0
    for (place, a, b), theta in zip(scaling, settings):
        x = x[:, place] * a + b
        penalty = penalty + outside(x) + outside(theta)
        x = PhysicsAware.apply(x, theta)
    place, a, b = scaling[-1]
    x = x[:, place] * a + b
    logits = temperature.exp() * x.reshape(BATCH, CLASSES, -1).mean(dim=2)
    (torch.nn.functional.cross_entropy(logits, labels) + penalty).backward()
    optimiser.step()


for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(time.perf_counter() - start, flush=True)

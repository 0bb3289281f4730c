"""Second-harmonic generation of 36 channels into 22 bins in PyTorch, for the training steps that use it."""

import torch

from physics_aware import noisy

SHOTS, INPUTS, PARAMETERS, BINS = 22, 18, 18, 22
CHANNELS = INPUTS + PARAMETERS
FREQUENCIES = 2 * CHANNELS - 1

response = 1 + 0.1 * torch.randn(CHANNELS)
spectrum = torch.randn(CHANNELS, dtype=torch.complex64)
matching = 1 - 0.1 * torch.rand(FREQUENCIES)
places = torch.arange(FREQUENCIES) * BINS // FREQUENCIES
gain = 1e-3 / torch.bincount(places)
CONSTANTS = [response, spectrum, matching]


def drives(x, theta):
    """[batch, shots · inputs] and [shots, parameters] → [batch · shots, channels], in range."""
    x = x.reshape(-1, SHOTS, INPUTS).clamp(-1, 1)
    return torch.cat([x, theta.clamp(-1, 1).expand(len(x), -1, -1)], dim=2).reshape(-1, CHANNELS)


def respond(drives):
    """S_n = sum of E_k E_(n-k), read as power in bins: [shots, channels] → [shots, bins]."""
    u = drives / 2 + 0.5
    field = spectrum * torch.sin(torch.pi / 2 * response * u)
    transform = torch.fft.fft(field, 72)
    harmonic = torch.fft.ifft(transform * transform)[:, :FREQUENCIES]
    power = matching * (harmonic.real**2 + harmonic.imag**2)
    y = torch.zeros(len(u), BINS).index_add_(1, places, power) * gain
    return y.clamp(max=1)


def predict(x, theta):
    """The readings of all shots, side by side."""
    return respond(drives(x, theta)).reshape(-1, SHOTS * BINS)


def measure(x, theta):
    """The same with noise on drives and readings."""
    return noisy(predict(noisy(x, 0.01), theta), 0.01)

"""Simulated devices in PyTorch for the GPU benchmark: one equation each, vectorised over the shots, with the sizes of the
recipes of `bench/src/layers.rs`.

`DEVICES[kind](count)` returns (width, parameters, respond): the number of drives, the trained parameters, and a function
of drives `[shots, width]` from −1 to 1 and of the parameters, that returns readings `[shots, ...]`, at least ten.
"""

import math

import torch

from oscillator_step import evolve
from spike import Spike


def parameter(*shape, low=-0.5, high=0.5):
    return (low + (high - low) * torch.rand(*shape)).requires_grad_()


def oscillators(count):
    def respond(q, free, e):
        return evolve(q, free, e, 1.0, None)

    return count, [parameter(count, count, low=-0.01, high=0.01), parameter(count)], respond


def pendula(count):
    h = 0.1

    def respond(q, omega, spring):
        w, c = (1 + 0.5 * omega) ** 2, torch.relu(spring + 0.5)

        def force(q):
            stretch = c * (q[:, 1:] - q[:, :-1])
            return -w * torch.sin(q) + torch.nn.functional.pad(stretch, (0, 1)) - torch.nn.functional.pad(stretch, (1, 0))

        p = torch.zeros_like(q)
        for _ in range(32):
            k1q, k1p = p, force(q)
            k2q, k2p = p + h / 2 * k1p, force(q + h / 2 * k1q)
            k3q, k3p = p + h / 2 * k2p, force(q + h / 2 * k2q)
            k4q, k4p = p + h * k3p, force(q + h * k3q)
            q = q + h / 6 * (k1q + 2 * k2q + 2 * k3q + k4q)
            p = p + h / 6 * (k1p + 2 * k2p + 2 * k3p + k4p)
        return q

    return count, [parameter(count), parameter(count - 1)], respond


def second_harmonic(_):
    inputs, parameters, bins = 18, 18, 22
    channels = inputs + parameters
    frequencies = 2 * channels - 1
    response, matching = 1 + 0.1 * torch.randn(channels), 1 - 0.1 * torch.rand(frequencies)
    spectrum = torch.randn(channels, dtype=torch.complex64)
    places = torch.arange(frequencies) * bins // frequencies
    gain = 1e-3 / torch.bincount(places)

    def respond(x, theta):
        drives = torch.cat([x, theta.expand(len(x), -1)], dim=1) / 2 + 0.5
        field = spectrum * torch.sin(torch.pi / 2 * response * drives)
        transform = torch.fft.fft(field, 72)
        harmonic = torch.fft.ifft(transform * transform)[:, :frequencies]
        power = matching * (harmonic.real**2 + harmonic.imag**2)
        y = torch.zeros(len(x), bins).index_add(1, places, power) * gain
        return y.clamp(max=1)

    return inputs, [parameter(parameters)], respond


def plate(_):
    inputs = outputs = parameters = 64
    modes, steps_per_sample, kick = 16, 2, 0.01
    steps = (inputs + parameters) * steps_per_sample
    a, b, c, d, g, r, ratio, shape = (0.1 + 0.4 * torch.rand(modes, 1) for _ in range(8))

    def respond(x, theta):
        waveform = torch.stack([x, theta.expand(len(x), -1)], dim=2).reshape(len(x), -1).T
        drive, push = g * waveform[:, None], r * waveform[:, None]
        q, v = torch.zeros(modes, len(x)), torch.zeros(modes, len(x))
        readings = []
        for step in range(steps):
            sample = step // steps_per_sample
            stretch = (ratio * q * q).sum(dim=0)
            v = v - kick * ratio * q * stretch
            q, v = a * q + b * v + drive[sample], d * v - c * q + push[sample]
            if step + 1 == (len(readings) + 1) * steps // outputs:
                readings.append((shape * v).sum(dim=0))
        return torch.stack(readings, dim=1).clamp(-1, 1)

    return inputs, [parameter(parameters)], respond


def transistor(_):
    inputs = parameters = 64
    gamma = 1 - 0.5**0.5
    thermal, slope, threshold, modulation = 0.02585, 1.3, 0.7, 0.05
    specific = 2 * 1.3 * 4e-3 * thermal**2 * 1e3
    g_l, g_c, resistance = gamma * 2.5, gamma * 0.25, 0.1
    half, damped = 0.5 / thermal, 1 / (1 + g_l * resistance)
    softplus = torch.nn.functional.softplus

    def solve(base_i, base_v, u, v):
        source = softplus((0.5 * u + 0.5 - threshold) / slope * half) ** 2
        pinch = (0.5 * u + 0.5 - threshold) / slope
        for _ in range(6):
            x = (pinch - v) * half
            log = softplus(x)
            size = torch.sqrt(v * v + thermal * thermal)
            factor = specific * (1 + modulation * size)
            difference = source - log * log
            by_drain = 2 * half * log * torch.sigmoid(x) * factor + specific * difference * modulation * v / size
            through = (base_i + g_l * (u - v)) * damped
            rest = v - base_v - g_c * (through - difference * factor)
            v = v - rest / (1 + g_c * (g_l * damped + torch.relu(by_drain)))
        return (base_i + g_l * (u - v)) * damped, v

    def respond(x, theta):
        waveform = 2.5 * torch.stack([x, theta.expand(len(x), -1)], dim=2).reshape(len(x), -1)
        i, v = torch.zeros(len(x)), torch.zeros(len(x))
        readings, carry = [], (1 - gamma) / gamma
        for step in range(inputs + parameters):
            u = waveform[:, step]
            first_i, first_v = solve(i, v, u, v)
            i, v = solve(i + carry * (first_i - i), v + carry * (first_v - v), u, first_v)
            if step % 2:
                readings.append(v)
        return torch.stack(readings, dim=1).clamp(-3.75, 3.75)

    return inputs, [parameter(parameters)], respond


def crossbar(count):
    def respond(x, weights):
        return (x @ weights / math.sqrt(count)).clamp(-1, 1)

    return count, [parameter(count, count)], respond


def mzi_mesh(modes):
    columns = [torch.arange(column % 2, modes - 1, 2) for column in range(modes)]
    half = 0.5**0.5
    sizes = [len(column) for column in columns]

    def respond(x, phases):
        thetas, phis = (part.split(sizes) for part in (torch.pi * phases).reshape(2, -1))
        unitary = torch.eye(modes, dtype=torch.complex64)
        for upper, theta, phi in zip(columns, thetas, phis):
            a, b = unitary[upper] * torch.exp(1j * phi)[:, None], unitary[upper + 1]
            a, b = half * (a + 1j * b) * torch.exp(1j * theta)[:, None], half * (1j * a + b)
            unitary = unitary.index_copy(0, upper, half * (a + 1j * b))
            unitary = unitary.index_copy(0, upper + 1, half * (1j * a + b))
        field = x.to(torch.complex64) @ unitary.T
        return (field.real**2 + field.imag**2).clamp(-0.2, 4)

    return modes, [parameter(2 * sum(sizes))], respond


def coherent_stack(modes):
    meshes, half = 3, 0.5**0.5
    columns = [torch.arange(column % 2, modes - 1, 2) for column in range(modes)]
    sizes = [len(column) for column in columns]
    kept, half_gain, half_bias = 0.9**0.5, 0.025 * torch.pi, 0.5 * torch.pi

    def unitary_of(thetas, phis, gamma):
        unitary = torch.diag(torch.exp(1j * gamma))
        for upper, theta, phi in zip(columns, thetas.split(sizes), phis.split(sizes)):
            a, b = unitary[upper], unitary[upper + 1]
            turn = torch.exp(0.5j * theta)[:, None]
            a, b = half * (a + 1j * b) * turn, half * (1j * a + b) * turn.conj()
            unitary = unitary.index_copy(0, upper, torch.exp(1j * phi)[:, None] * half * (a + 1j * b))
            unitary = unitary.index_copy(0, upper + 1, half * (1j * a + b))
        return unitary

    def respond(x, *phases):
        z = torch.complex(x[:, :modes], x[:, modes:])
        for mesh in range(meshes):
            if mesh:
                psi = half_gain * (z.real**2 + z.imag**2) + half_bias
                z = kept * torch.cos(psi) * torch.exp(-1j * psi) * z
            thetas, phis, gamma = (6 * part for part in phases[3 * mesh : 3 * mesh + 3])
            z = z @ unitary_of(thetas, phis, gamma).T
        return torch.nn.functional.normalize(z.real**2 + z.imag**2, dim=1)

    shapes = [sum(sizes), sum(sizes), modes] * meshes
    return 2 * modes, [parameter(shape) for shape in shapes], respond


def microring_bank(channels):
    places = torch.arange(channels, dtype=torch.float32)
    dropped, taken, share = 0.9025, 0.9975, channels**-0.5

    def respond(x, heaters):
        own = 4 - 2 * heaters
        weights = -torch.ones(channels, channels)
        for ring in reversed(range(channels)):
            detuned = own[:, ring : ring + 1] + 10 * (places - ring)
            weights = weights + (dropped - taken * weights) / (1 + detuned * detuned)
        return (share * (x @ weights.T)).clamp(-4, 4)

    return channels, [parameter(channels, channels, low=0.0, high=3.0)], respond


def diffractive(_):
    drives, bins, layers, side = 8, 4, 2, 32
    pitch, wavelength, length = 8.0, 0.532, 4000.0
    frequencies = torch.fft.fftfreq(side, pitch)
    squares = frequencies[:, None] ** 2 + frequencies**2
    along = torch.sqrt(wavelength**-2 - squares) - 1 / wavelength
    transfer = torch.exp(2j * torch.pi * length * along)
    block, bin_ = side // drives, side // bins

    def respond(x, phases):
        field = x.reshape(-1, drives, drives).repeat_interleave(block, 1).repeat_interleave(block, 2)
        for layer in range(layers + 1):
            field = torch.fft.ifft2(torch.fft.fft2(field) * transfer)
            if layer < layers:
                field = field * torch.exp(1j * phases[layer])
        intensity = field.real**2 + field.imag**2
        means = intensity.reshape(-1, bins, bin_, bins, bin_).mean(dim=(2, 4))
        return (2 * means).clamp(max=4).reshape(len(x), -1)

    return drives * drives, [parameter(layers, side, side)], respond


def lif_chip(count):
    steps, tau_m, tau_s = 100, 20.0, 5.0

    def respond(x, w, r):
        spikes = Spike.apply(x - 0.9).reshape(len(x), steps, count).transpose(0, 1)
        driven = spikes @ w
        v = torch.zeros(len(x), count)
        p, s, counts = v, v, v
        for step in range(steps):
            p = (1 - 1 / tau_s) * p + s @ r
            if step > 0:
                p = p + driven[step - 1]
            v = (1 - 1 / tau_m) * v * (1 - s.detach()) + p / tau_s
            if not torch.is_grad_enabled():
                # The device; the twin has no noise.
                v = v + 0.05 * torch.randn_like(v)
            s = Spike.apply(v - 1)
            counts = counts + s
        return counts

    return steps * count, [parameter(count, count, low=-0.1, high=0.1) for _ in range(2)], respond


DEVICES = {
    "oscillators": oscillators,
    "pendula": pendula,
    "second_harmonic": second_harmonic,
    "plate": plate,
    "transistor": transistor,
    "crossbar": crossbar,
    "mzi_mesh": mzi_mesh,
    "coherent_stack": coherent_stack,
    "microring_bank": microring_bank,
    "diffractive": diffractive,
    "lif_chip": lif_chip,
}

"""NumPy's side of the device benchmark: the same equations, vectorised over the shots.

Arguments: the number of shots, and float32 or float64. Each input line names a device; the answer is the time of its
shots, in seconds.
"""

import sys
import time

import numpy as np
import scipy.fft

SHOTS = int(sys.argv[1])
real = np.dtype(sys.argv[2]).type
random = np.random.default_rng(1)


def uniform(*shape, low=-1.0, high=1.0):
    return random.uniform(low, high, shape).astype(real)


def second_harmonic(inputs=18, parameters=18, bins=22):
    """S_n = sum of E_k E_(n-k), read as power in bins."""
    channels = inputs + parameters
    frequencies = 2 * channels - 1
    spectrum = (uniform(channels) + 1j * uniform(channels)).astype(np.result_type(real, np.complex64))
    response, matching = uniform(channels, low=0.9, high=1.1), uniform(frequencies, low=0.9)
    gain, starts = uniform(bins), np.array([-(-b * frequencies // bins) for b in range(bins)])
    data, theta = uniform(SHOTS, inputs, low=0.0), uniform(parameters, low=0.0)

    def play():
        drives = np.concatenate([data, np.broadcast_to(theta, (SHOTS, parameters))], axis=1)
        field = spectrum * np.sin(real(np.pi / 2) * response * drives)
        transform = scipy.fft.fft(field, 72, axis=1, workers=-1)
        harmonic = scipy.fft.ifft(transform * transform, axis=1, workers=-1)[:, :frequencies]
        power = matching * (harmonic.real**2 + harmonic.imag**2)
        return np.minimum(gain * np.add.reduceat(power, starts, axis=1), real(1))

    return play


def oscillators(count=100, steps=5, time_=0.5):
    """Classical Runge-Kutta on q'' = A sin q + e."""
    free, e = uniform(count, count) / 10, uniform(count)
    start, h = uniform(SHOTS, count), real(time_ / steps)

    def play():
        matrix = (free + free.T) / 2
        np.fill_diagonal(matrix, 0)
        np.fill_diagonal(matrix, -1 - matrix.sum(axis=0))
        q, p = start.copy(), np.zeros_like(start)
        for _ in range(steps):
            k1q, k1p = p, np.sin(q) @ matrix + e
            k2q, k2p = p + h / 2 * k1p, np.sin(q + h / 2 * k1q) @ matrix + e
            k3q, k3p = p + h / 2 * k2p, np.sin(q + h / 2 * k2q) @ matrix + e
            k4q, k4p = p + h * k3p, np.sin(q + h * k3q) @ matrix + e
            q = q + h / 6 * (k1q + 2 * k2q + 2 * k3q + k4q)
            p = p + h / 6 * (k1p + 2 * k2p + 2 * k3p + k4p)
        return q

    return play


def plate(inputs=64, parameters=64, outputs=64, modes=16, steps_per_sample=2):
    """Exact modal propagator, with a kick by the common tension before each step."""
    a, b, c, d, g, r, ratio, shape = (uniform(modes, 1, low=0.1, high=0.5) for _ in range(8))
    data, theta = uniform(inputs, SHOTS), uniform(parameters)
    kick = real(0.01)
    steps = (inputs + parameters) * steps_per_sample

    def play():
        waveform = np.empty((inputs + parameters, SHOTS), real)
        waveform[0::2], waveform[1::2] = data, theta[:, None]
        q, v = np.zeros((modes, SHOTS), real), np.zeros((modes, SHOTS), real)
        readings = np.empty((outputs, SHOTS), real)
        reading = 0
        for step in range(steps):
            force = waveform[step // steps_per_sample]
            stretch = (ratio * q * q).sum(axis=0)
            v -= kick * ratio * q * stretch
            q, v = a * q + b * v + g * force, d * v - c * q + r * force
            if step + 1 == (reading + 1) * steps // outputs:
                readings[reading] = (shape * v).sum(axis=0)
                reading += 1
        return np.clip(readings, -1, 1)

    return play


def transistor(inputs=64, parameters=64, outputs=64, iterations=6):
    """Alexander's L-stable method, the EKV model, and Newton's method for the drain voltage."""
    gamma = real(1 - 0.5**0.5)
    thermal, slope, threshold, modulation = real(0.02585), real(1.3), real(0.7), real(0.05)
    specific = real(2 * 1.3 * 4e-3 * 0.02585**2 * 1e3)
    g_l, g_c, resistance = gamma * real(2.5), gamma * real(0.25), real(0.1)
    half, damped = real(0.5) / thermal, real(1) / (1 + gamma * real(2.5) * real(0.1))
    data, theta = uniform(inputs, SHOTS, low=-2.5, high=2.5), uniform(parameters)
    steps = inputs + parameters
    zero = real(0)

    def solve(base_i, base_v, u, v):
        pinch = (real(0.5) * u + real(0.5) - threshold) / slope
        source = np.logaddexp(zero, pinch * half) ** 2
        for _ in range(iterations):
            x = (pinch - v) * half
            log = np.logaddexp(zero, x)
            size = np.sqrt(v * v + thermal * thermal)
            factor = specific * (1 + modulation * size)
            difference = source - log * log
            by_drain = 2 * half * log / (1 + np.exp(-x)) * factor
            by_drain += specific * difference * modulation * v / size
            through = (base_i + g_l * (u - v)) * damped
            rest = v - base_v - g_c * (through - difference * factor)
            v = v - rest / (1 + g_c * (g_l * damped + np.maximum(by_drain, zero)))
        return (base_i + g_l * (u - v)) * damped, v

    def play():
        waveform = np.empty((steps, SHOTS), real)
        waveform[0::2], waveform[1::2] = data, theta[:, None]
        i, v = np.zeros(SHOTS, real), np.zeros(SHOTS, real)
        readings = np.empty((outputs, SHOTS), real)
        carry = (1 - gamma) / gamma
        for step in range(steps):
            u = waveform[step]
            first_i, first_v = solve(i, v, u, v)
            i, v = solve(i + carry * (first_i - i), v + carry * (first_v - v), u, first_v)
            if step % 2:
                readings[step // 2] = v
        return np.clip(readings, real(-3.75), real(3.75))

    return play


def mzi_mesh(modes=16):
    """The unitary, built up by columns of interferometers; then its product with the shots, and the powers."""
    columns = [np.arange(column % 2, modes - 1, 2) for column in range(modes)]
    phases = [(uniform(len(column), 1), uniform(len(column), 1)) for column in columns]
    data, half = uniform(SHOTS, modes), real(0.5**0.5)
    unit = np.result_type(real, np.complex64).type(1j)

    def play():
        unitary = np.eye(modes, dtype=type(unit))
        for upper, (theta, phi) in zip(columns, phases):
            a, b = unitary[upper] * np.exp(unit * phi), unitary[upper + 1]
            a, b = half * (a + unit * b) * np.exp(unit * theta), half * (unit * a + b)
            unitary[upper], unitary[upper + 1] = half * (a + unit * b), half * (unit * a + b)
        real_part, imaginary_part = data @ unitary.real.T, data @ unitary.imag.T
        return np.clip(real_part**2 + imaginary_part**2, real(-0.2), real(4))

    return play


def coherent_stack(modes=16, meshes=3):
    """Unitaries built up by columns of interferometers; light goes through them and the activations between."""
    columns = [np.arange(column % 2, modes - 1, 2) for column in range(modes)]
    phases = [[uniform(len(column), 1, high=6) for column in columns] for _ in range(2 * meshes)]
    gammas = [uniform(1, modes, high=6) for _ in range(meshes)]
    unit = np.result_type(real, np.complex64).type(1j)
    data, half = uniform(SHOTS, modes) + unit * uniform(SHOTS, modes), real(0.5**0.5)
    kept, half_gain, half_bias = real(0.9**0.5), real(0.025 * np.pi), real(0.5 * np.pi)

    def mesh(thetas, phis, gamma):
        unitary = np.diag(np.exp(unit * gamma[0]))
        for number, upper in enumerate(columns):
            theta, phi = thetas[number], phis[number]
            a, b = unitary[upper], unitary[upper + 1]
            a, b = half * (a + unit * b) * np.exp(unit * theta / 2), half * (unit * a + b) * np.exp(-unit * theta / 2)
            unitary[upper], unitary[upper + 1] = np.exp(unit * phi) * half * (a + unit * b), half * (unit * a + b)
            if number % 2:
                unitary[0] *= -unit
                unitary[-1] *= -unit
        return unitary

    def play():
        z = data
        for number in range(meshes):
            if number:
                psi = half_gain * (z.real**2 + z.imag**2) + half_bias
                z = kept * np.cos(psi) * np.exp(-unit * psi) * z
            z = z @ mesh(phases[2 * number], phases[2 * number + 1], gammas[number]).T
        power = z.real**2 + z.imag**2
        return power / np.sqrt((power * power).sum(axis=1, keepdims=True))

    return play


def microring_bank(channels=16, rows=16):
    """Every row's weights, ring by ring from the last to the first; then their product with the shots."""
    data, heaters = uniform(SHOTS, channels, low=0.0), uniform(rows, channels, low=0.0, high=3.0)
    places = np.arange(channels, dtype=real)
    dropped, taken, share = real(0.9025), real(0.9975), real(channels**-0.5)

    def play():
        own = real(4) - real(2) * heaters
        weights = np.full((rows, channels), -1, real)
        for ring in reversed(range(channels)):
            detuned = own[:, ring : ring + 1] + real(10) * (places - real(ring))
            weights += (dropped - taken * weights) / (1 + detuned * detuned)
        return np.clip(share * (data @ weights.T), real(-4), real(4))

    return play


def diffractive(drives=8, bins=4, layers=2, side=32):
    """Light from a modulator through masks, by the angular spectrum; the mean intensity of bins."""
    pitch, wavelength, length = 8.0, 0.532, 4000.0
    unit = np.result_type(real, np.complex64).type(1j)
    squares = np.add.outer(np.fft.fftfreq(side, pitch) ** 2, np.fft.fftfreq(side, pitch) ** 2)
    along = np.sqrt(wavelength**-2 - squares) - 1 / wavelength
    transfer = np.exp(2j * np.pi * length * along).astype(type(unit))
    data, phases = uniform(SHOTS, drives, drives, low=0.0), uniform(layers, side, side)
    block, bin_ = side // drives, side // bins

    def play():
        field = np.repeat(np.repeat(data, block, axis=1), block, axis=2)
        for layer in range(layers + 1):
            spectrum = scipy.fft.fft2(field, workers=-1)
            spectrum *= transfer
            field = scipy.fft.ifft2(spectrum, overwrite_x=True, workers=-1)
            if layer < layers:
                field *= np.exp(unit * phases[layer])
        intensity = field.real**2 + field.imag**2
        means = intensity.reshape(SHOTS, bins, bin_, bins, bin_).mean(axis=(2, 4))
        return np.minimum(real(2) * means, real(4))

    return play


players = {
    "second_harmonic": second_harmonic(),
    "oscillators": oscillators(),
    "plate": plate(),
    "transistor": transistor(),
    "mzi_mesh": mzi_mesh(),
    "coherent_stack": coherent_stack(),
    "microring_bank": microring_bank(),
    "diffractive": diffractive(),
}
for line in sys.stdin:
    with np.errstate(over="ignore"):
        start = time.perf_counter()
        players[line.strip()]()
        print(time.perf_counter() - start, flush=True)

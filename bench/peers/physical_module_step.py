"""A step of physics-aware training by `twinprop.torch.PhysicalModule` beside a plain `torch.autograd.Function`, as
`physical_module_step.py [TURNS [STEPS]]`, in a Python that has the package twinprop and torch.

The device and the sizes are those of `vowels-optical`: two layers of 22 shots, each with its own 18 parameters, between
two `nn.Linear`, scale and offset between the layers, batch 32, Adam. Both sides drive one simulated device; the plain
twin is a perceptron in PyTorch of the size of the package's. They take turns: it prints the medians of all turns, the
ratio turn by turn, and how a step divides.
"""

import os
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn

import twinprop as tp
from twinprop.torch import PhysicalModule

FEATURES, CLASSES, BATCH, SHOTS, WIDTH = 10, 11, 32, 22, 256
INPUTS, PARAMETERS, OUTPUTS = 18, 18, 22
WARM_UP_SECONDS = 0.1

torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)

device = tp.simulate(
    "second_harmonic",
    seed=1,
    imperfections={"mismatch": 0.1, "input_noise": 0.01, "readout_noise": 0.01},
    inputs=INPUTS,
    parameters=PARAMETERS,
    outputs=OUTPUTS,
    chirp_fs2=6000.0,
    exposure=2.0,
)
bank = device.interface.outputs[0]
MIDDLE, HALF = (bank.minimum + bank.maximum) / 2, (bank.maximum - bank.minimum) / 2
perceptron = nn.Sequential(
    nn.Linear(INPUTS + PARAMETERS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, OUTPUTS)
).requires_grad_(False)


class Plain(torch.autograd.Function):
    """Forward on the device, backward through the perceptron at the same drives, from 0 to 1 as the device's are."""

    @staticmethod
    def forward(ctx, x, theta):
        ctx.save_for_backward(x, theta)
        return torch.from_numpy(device.measure(x.numpy(), theta.numpy()))

    @staticmethod
    def backward(ctx, dy):
        x, theta = (value.detach().requires_grad_() for value in ctx.saved_tensors)
        with torch.enable_grad():
            y = perceptron(torch.cat([x, theta.repeat_interleave(BATCH, 0)], 1))
        return torch.autograd.grad(y, (x, theta), dy)


class PlainLayer(nn.Module):
    """The shots of a sample side by side, those of one setting one after the other on the device."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(2 * torch.rand(SHOTS, PARAMETERS) - 1)

    def forward(self, x):
        self.outside = torch.relu(x.abs() - 1).square().mean() + torch.relu(self.theta.abs() - 1).square().mean()
        shots = x.reshape(BATCH, SHOTS, INPUTS).transpose(0, 1).reshape(-1, INPUTS)
        y = Plain.apply(shots.clamp(-1, 1) / 2 + 0.5, self.theta.clamp(-1, 1) / 2 + 0.5)
        return ((y - MIDDLE) / HALF).reshape(SHOTS, BATCH, OUTPUTS).transpose(0, 1).reshape(BATCH, -1)

    def penalty(self):
        return self.outside


class Scale(nn.Module):
    """Element-wise scale and offset from one width to another."""

    def __init__(self, width_in, width_out):
        super().__init__()
        self.place = torch.arange(width_out) * width_in // width_out
        self.factor, self.offset = nn.Parameter(torch.ones(width_out)), nn.Parameter(torch.zeros(width_out))

    def forward(self, x):
        return x[:, self.place] * self.factor + self.offset


features, labels = torch.rand(BATCH, FEATURES) - 0.5, torch.arange(BATCH) % CLASSES


def training(first, second):
    """A step of a network of the two physical layers, and the network."""
    scale = Scale(SHOTS * OUTPUTS, SHOTS * INPUTS)
    model = nn.Sequential(
        nn.Linear(FEATURES, SHOTS * INPUTS), first, scale, second, nn.Linear(SHOTS * OUTPUTS, CLASSES)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step():
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(features), labels)
        (loss + first.penalty() + second.penalty()).backward()
        optimiser.step()

    return step


def milliseconds(work, count):
    """Median time of a call of `work`, after a warm-up."""
    end = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < end:
        work()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


class Timed:
    """Stands for an object and adds up the time in calls of some of its methods."""

    def __init__(self, of, *methods):
        self.of, self.seconds = of, 0.0
        for name in methods:
            setattr(self, name, self.timed(getattr(of, name)))

    def __getattr__(self, name):
        return getattr(self.of, name)

    def timed(self, method):
        def call(*arguments):
            start = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.perf_counter() - start

        return call


def main():
    turns, steps = (int(given) for given in (*sys.argv[1:], "7", "150")[:2])
    twin = tp.calibrate(device, shots=2000, test_shots=100, progress=False)
    ours = training(*(PhysicalModule(device, twin, shots=SHOTS, seed=seed) for seed in range(2)))
    plain = training(PlainLayer(), PlainLayer())

    x, theta = (np.random.rand(*shape).astype(np.float32) for shape in ((SHOTS * BATCH, INPUTS), (SHOTS, PARAMETERS)))
    y = device.measure(x, theta)
    dy = np.random.randn(*y.shape).astype(np.float32)
    drives = torch.rand(SHOTS * BATCH, INPUTS), torch.rand(SHOTS, PARAMETERS)
    context = type("Context", (), {"saved_tensors": drives})
    works = {
        "step": (ours, plain),
        "device.measure of a layer": (lambda: device.measure(x, theta),) * 2,
        "VJP of a layer": (lambda: twin.vjp(x, theta, dy, y), lambda: Plain.backward(context, torch.from_numpy(dy))),
    }
    taken = {name: ([], []) for name in works}
    for _ in range(turns):
        for name, sides in works.items():
            for side, work in enumerate(sides):
                taken[name][side].append(milliseconds(work, steps))
    print(f"{turns} turns of {steps}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}\n")
    print("| what | twinprop, ms | plain, ms | ratio | of each turn |\n|---|---|---|---|---|")
    for name, sides in taken.items():
        ratios = [a / b for a, b in zip(*sides)]
        ours_ms, plain_ms = (statistics.median(side) for side in sides)
        low, high = min(ratios), max(ratios)
        print(f"| {name} | {ours_ms:.3f} | {plain_ms:.3f} | {statistics.median(ratios):.3f} | {low:.3f} to {high:.3f} |")

    timed_device, timed_twin = Timed(device, "measure"), Timed(twin, "vjp")
    layers = [PhysicalModule(timed_device, timed_twin, shots=SHOTS, seed=seed) for seed in range(2)]
    step = training(*layers)
    milliseconds(step, 1)
    timed_device.seconds = timed_twin.seconds = 0.0
    start = time.perf_counter()
    for _ in range(turns * steps):
        step()
    whole = time.perf_counter() - start
    parts = {"device.measure": timed_device.seconds, "twin.vjp": timed_twin.seconds}
    parts["PyTorch and the rest"] = whole - sum(parts.values())
    print("\n| of a step | ms | share |\n|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {1e3 * seconds / turns / steps:.3f} | {seconds / whole:.0%} |")


if __name__ == "__main__":
    main()

"""A step of physics-aware training by `twinprop.torch.PhysicalModule` beside a plain `torch.autograd.Function`, as
`physical_module_step.py [TURNS [STEPS]]`, in a Python that has the package twinprop and torch.

The device and the sizes are those of `vowels-optical`: two layers of 22 shots, each with its own 18 parameters, between
two `nn.Linear`, scale and offset between the layers, batch 32, Adam. Both sides drive one simulated device; the plain
twin is a perceptron in PyTorch of the size of the package's.

Each side runs in processes of its own, with one thread of PyTorch and with one a core, as each has its best number:
PyTorch's threads spin on cores that the package's twin needs, and the plain twin computes with them. The processes take
turns, one works at a time. It prints the medians of all turns, the ratio of each side's best turn by turn, and how a
step divides.
"""

import json
import os
import statistics
import subprocess
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

SIDES = ("twinprop", "plain")
CORES = len(os.sched_getaffinity(0))

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


def milliseconds(work, count, warm_up=WARM_UP_SECONDS):
    """Median time of a call of `work`, after a warm-up of seconds."""
    end = time.perf_counter() + warm_up
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


def serve(side, threads, steps):
    """Measures a turn for every line of the standard input, as a line of JSON: milliseconds of each part."""
    torch.set_num_threads(threads)
    twin = tp.calibrate(device, shots=2000, test_shots=100, progress=False)
    x, theta = (np.random.rand(*shape).astype(np.float32) for shape in ((SHOTS * BATCH, INPUTS), (SHOTS, PARAMETERS)))
    y = device.measure(x, theta)
    dy = np.random.randn(*y.shape).astype(np.float32)
    drives = torch.rand(SHOTS * BATCH, INPUTS), torch.rand(SHOTS, PARAMETERS)
    context = type("Context", (), {"saved_tensors": drives})
    timed_device, timed_twin = Timed(device, "measure"), Timed(twin, "vjp")
    if side == "twinprop":
        layers = [PhysicalModule(device, twin, shots=SHOTS, seed=seed) for seed in range(2)]
        for layer in layers:
            layer.device, layer.twin = timed_device, timed_twin
        step = training(*layers)
        vjp = lambda: twin.vjp(x, theta, dy, y)
    else:
        step = training(PlainLayer(), PlainLayer())
        vjp = lambda: Plain.backward(context, torch.from_numpy(dy))
    print(json.dumps(torch.__version__), flush=True)
    for _ in sys.stdin:
        turn = {"VJP of a layer, alone": milliseconds(vjp, steps)}
        milliseconds(step, 1)
        timed_device.seconds = timed_twin.seconds = 0.0
        taken = [milliseconds(step, 1, warm_up=0) for _ in range(steps)]
        turn["step"] = statistics.median(taken)
        if side == "twinprop":
            turn["measure in a step"] = 1e3 * timed_device.seconds / steps
            turn["VJP in a step"] = 1e3 * timed_twin.seconds / steps
        print(json.dumps(turn), flush=True)


def main():
    turns, steps = (int(given) for given in (*sys.argv[1:], "7", "150")[:2])
    settings = [(side, threads) for threads in sorted({1, CORES}) for side in SIDES]
    processes = {}
    for side, threads in settings:
        command = [sys.executable, __file__, "--serve", side, str(threads), str(steps)]
        pipe = subprocess.PIPE
        processes[side, threads] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        version = json.loads(processes[side, threads].stdout.readline())
    taken = {setting: [] for setting in settings}
    for _ in range(turns):
        for setting, process in processes.items():
            process.stdin.write("turn\n")
            process.stdin.flush()
            taken[setting].append(json.loads(process.stdout.readline()))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    median = lambda setting, part: statistics.median(turn[part] for turn in taken[setting])
    print(f"{turns} turns of {steps}, {CORES} cores, PyTorch {version}\n")
    print("| side | threads of PyTorch | what | ms |\n|---|---|---|---|")
    for side, threads in sorted(settings, key=lambda setting: SIDES.index(setting[0])):
        for part in taken[side, threads][0]:
            print(f"| {side} | {threads} | {part} | {median((side, threads), part):.3f} |")
    print("\n| step | ratio | of each turn |\n|---|---|---|")
    best = [min((s for s in settings if s[0] == side), key=lambda s: median(s, "step")) for side in SIDES]
    rows = {f"{n} threads each": [(side, n) for side in SIDES] for n in sorted({1, CORES})}
    rows["each at its best: " + " and ".join(f"{n}" for _, n in best)] = best
    for name, (ours, plain) in rows.items():
        ratios = [a["step"] / b["step"] for a, b in zip(taken[ours], taken[plain])]
        print(f"| {name} | {statistics.median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()

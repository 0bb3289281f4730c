"""Shots a second of a NumPy function as a device of this process beside the same function over `process:`, as
`python_device_rates.py [TURNS]`, in a Python that has the package twinprop. They take turns.

It also prints what a call of the function costs as a device: `device.measure` minus the bare function.
"""

import shlex
import statistics
import sys
import time
from pathlib import Path

import numpy as np

CHANNELS = 9
SECONDS = 0.5
BATCHES = 1, 32, 256
mixing = (np.random.default_rng(7).normal(size=(CHANNELS, 12)) / 9).astype(np.float32)


def lab(x, theta):
    """Readings `(S, 12)` at the drives `(S, 9)` and the knobs `(9,)`."""
    return (x + theta) @ mixing


def banks(bank):
    """The channels, by twinprop's `bank` or by that of a rig."""
    return {
        "inputs": bank("drive", CHANNELS, "V", 0, 1),
        "parameters": bank("knob", CHANNELS, "V", 0, 1),
        "outputs": bank("detector", 12, "V", -9, 9),
    }


def serve():
    """The function as a rig, on standard input and output."""
    del sys.argv[1:]  # They would be taken as options of the rig.
    sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
    from twinprop_rig import bank, rig

    rig(**banks(bank))(lab).serve()


def seconds_a_call(work):
    """Mean time of a call of `work` over `SECONDS`, after a warm-up of a tenth of that."""
    for duration in (SECONDS / 10, SECONDS):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < duration:
            work()
            calls += 1
    return (time.perf_counter() - start) / calls


def microseconds(work, count):
    """Median time of one call of `work`."""
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1e3


def main(turns):
    import twinprop as tp

    inside = tp.device(**banks(tp.bank))(lab)
    script = shlex.join([sys.executable, __file__, "--rig"])
    outside = tp.open_device(f"process:{script}")
    theta = np.random.rand(CHANNELS).astype(np.float32)
    drives = {batch: np.random.rand(batch, CHANNELS).astype(np.float32) for batch in BATCHES}
    for x in drives.values():
        np.testing.assert_allclose(inside.measure(x, theta), outside.measure(x, theta), rtol=1e-3, atol=1e-3)

    print("| batch | in process, shots a second | over `process:` | ratio | of each turn |\n|---|---|---|---|---|")
    for batch, x in drives.items():
        rates = [
            [batch / seconds_a_call(lambda: device.measure(x, theta)) for device in (inside, outside)]
            for _ in range(turns)
        ]
        ratios = [a / b for a, b in rates]
        one, other = (statistics.median(side) for side in zip(*rates))
        low, high = min(ratios), max(ratios)
        print(f"| {batch} | {one:,.0f} | {other:,.0f} | {statistics.median(ratios):.1f} | {low:.1f} to {high:.1f} |")

    print("\n| batch | bare function, µs | as a device, µs | a call's cost, µs |\n|---|---|---|---|")
    for batch, x in drives.items():
        times = [
            (microseconds(lambda: lab(x, theta), 2000), microseconds(lambda: inside.measure(x, theta), 2000))
            for _ in range(turns)
        ]
        bare, device = (statistics.median(side) for side in zip(*times))
        print(f"| {batch} | {bare:.1f} | {device:.1f} | {statistics.median(b - a for a, b in times):.1f} |")


if __name__ == "__main__":
    if sys.argv[1:] == ["--rig"]:
        serve()
    else:
        main(int((*sys.argv[1:], "5")[0]))

"""Jobs in threads: each has its device to itself, few threads are enough, and Python ends."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp

LAB = """
import sys, threading, time
import numpy as np, twinprop as tp

@tp.device(inputs=tp.bank("drive", 3, "V", -1, 1), parameters=tp.bank("knob", 2, "V", 0, 2),
           outputs=tp.bank("reading", 3, "V", -1, 1))
def lab(x, theta):
    return 0.4 * np.sin(x * theta[0]) + 0.1 * theta[1]

@lab.safe
def off():
    print("safe", flush=True)
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    text = LAB + textwrap.dedent(script)
    line = [sys.executable, "-c", text]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


def test_two_trainings_do_not_share_a_device(lab: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    y = x.sum(1) > 0
    twin = tp.calibrate(lab, shots=300, test_shots=60, twin={"neural": {"width": 8}}, progress=False)
    network = tp.Network("encode", "scale", tp.Physical(lab, twin=twin, shots=2), "readout")
    begun, go_on = threading.Event(), threading.Event()

    def wait(epoch: tp.Epoch) -> None:
        begun.set()
        assert go_on.wait(30)

    def first() -> None:
        options: dict[str, Any] = {"set": {"calibration.require": "none"}, "progress": False}
        tp.train(network, x, y, epochs=2, out=tmp_path / "first", on_epoch=wait, **options)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(60)
    try:
        with pytest.raises(tp.BusyError, match="in use"):
            tp.train(network, x, y, epochs=2, out=tmp_path / "second", progress=False)
        with pytest.raises(tp.BusyError, match="in use"):
            lab.measure(np.zeros((1, 3)), np.zeros(2))
    finally:
        go_on.set()
        thread.join(60)
    assert not (tmp_path / "second").exists(), "nothing is left of it"
    assert tp.load(tmp_path / "first", devices=lab).predict(x[:5]).shape == (5,)


def test_devices_are_calibrated_at_the_same_time() -> None:
    found: dict[int, tp.Twin] = {}

    def calibrate(seed: int) -> None:
        device = tp.simulate("pendula", count=3, seed=seed)
        found[seed] = tp.calibrate(device, shots=300, test_shots=60, twin="physics", progress=False)

    threads = [threading.Thread(target=calibrate, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [0, 1, 2, 3] and found[0].fidelity.verdict == "fit"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_few_threads_are_enough(threads: str) -> None:
    done = python(
        """
        model = tp.twin(lambda x, theta: 0.4 * np.sin(x * theta[:, :1]) + 0.1 * theta[:, 1:])
        print(tp.calibrate(lab, shots=200, test_shots=60, twin=model, progress=False).fidelity.verdict)
        tp.calibrate(lab, shots=200, test_shots=60, twin={"ensemble": {"member": {"width": 8}}}, progress=False)
        """,
        RAYON_NUM_THREADS=threads,
    )
    assert done.returncode == 0 and done.stdout.split() == ["safe", "fit", "safe"], done


def test_python_ends_while_a_thread_drives_the_device() -> None:
    done = python(
        """
        def drive():
            tp.calibrate(lab, shots=10_000_000, progress=False)
        threading.Thread(target=drive, daemon=True).start()
        while lab.shots < 1000:
            time.sleep(0.01)
        """
    )
    assert done.returncode == 0 and "safe" in done.stdout.split(), done


def test_a_forked_process_computes_and_opens_its_own_devices() -> None:
    done = python(
        """
        import os
        twin = tp.calibrate(lab, shots=200, test_shots=60, twin={"neural": {"width": 8}}, progress=False)
        child = os.fork()
        if child == 0:
            other = tp.simulate("pendula", count=3)
            tp.calibrate(other, shots=200, test_shots=60, twin="physics", progress=False)
            twin.predict([[0.1, 0.2, 0.3]], [1.0, 0.5])
            try:
                lab.measure([[0, 0, 0]], [0, 0])
            except tp.ForkError as error:
                print("ForkError" if "spawn" in str(error) else error, flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        """
    )
    assert done.returncode == 0 and done.stdout.split() == ["safe", "ForkError", "0"], done

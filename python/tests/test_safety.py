"""A device goes to its safe state however a calculation or Python ends."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

import twinprop as tp

DEVICE = """
    import sys, time
    import numpy as np
    import twinprop as tp

    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), parameters=tp.bank("p", 1, "V", -1, 1),
               outputs=tp.bank("y", 1, "V", -1, 1), seconds_per_shot=1e-3)
    def lab(x, theta):
        time.sleep(SECONDS)
        return np.sin(x + theta)

    @lab.safe
    def off():
        print("safe", lab.shots > 0, flush=True)
"""


def script(text: str, seconds: float = 0.0) -> str:
    whole = textwrap.dedent(DEVICE) + textwrap.dedent(text)
    return whole.replace("SECONDS", str(seconds))


def test_the_safe_state_follows_a_calibration_and_its_errors() -> None:
    calls = []

    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), outputs=tp.bank("y", 1, "V", -1, 1))
    def lab(x: Any, theta: Any) -> Any:
        if lab.shots > 100:
            raise OSError("unplugged")
        return x

    lab.safe(lambda: calls.append("safe"))
    with pytest.raises(OSError, match="unplugged"):
        tp.calibrate(lab, shots=500, test_shots=100, progress=False)
    assert calls == ["safe"]
    lab.make_safe()
    assert calls == ["safe"], "nothing was played since"


def test_the_safe_state_follows_a_shot_that_failed() -> None:
    calls = []

    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), outputs=tp.bank("y", 1, "V", -1, 1))
    def lab(x: Any, theta: Any) -> Any:
        raise OSError("no answer, but driven")

    lab.safe(lambda: calls.append("safe"))
    with pytest.raises(OSError):
        lab.measure([[0.5]], [])
    assert lab.shots == 0
    lab.make_safe()
    assert calls == ["safe"]


def test_a_function_is_driven_by_steps_of_at_most_the_largest() -> None:
    seen: list[float] = []

    @tp.device(
        inputs=tp.bank("x", 1, "V", -1, 1, largest_step=0.25), outputs=tp.bank("y", 1, "V", -1, 1)
    )
    def lab(x: Any, theta: Any) -> Any:
        seen.extend(x[:, 0].tolist())
        return x

    assert lab.measure([[1.0], [-1.0]], []).ravel().tolist() == [1.0, -1.0]
    assert max(abs(b - a) for a, b in zip([0.0, *seen], seen)) <= 0.2501, seen


def test_a_device_that_nothing_refers_to_is_safe_when_python_exits() -> None:
    text = script("lab.measure([[0.1]], [0.2])\n")
    text = "def main():\n" + textwrap.indent(text, "    ") + "\nmain()\nimport gc; gc.collect()"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stdout == "safe True\n", done


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError('a fault')"])
def test_a_driven_device_is_safe_when_python_exits(end: str) -> None:
    text = script("lab.measure([[0.1]], [0.2])\n" + end)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stdout == "safe True\n", done

"""Ctrl-C ends a calculation within a second: its device is safe, and a run resumes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from test_safety import script
from test_threads import LAB


@pytest.mark.parametrize(("seconds", "label"), [(0.05, "measure"), (0.0, "fit")])
def test_ctrl_c_ends_a_calibration_within_a_second(seconds: float, label: str) -> None:
    text = script(
        """
        def show(label, done, total):
            print(label, flush=True)
        try:
            tp.calibrate(lab, shots=20000, test_shots=100, progress=show, fit={"epochs": 2000, "patience": 2000},
                         twin={"neural": {"width": 32}})
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            lab.measure([[0.0]], [0.0])
        """,
        seconds,
    )
    child = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(label):
            break
    time.sleep(0.2)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    rest = []
    for line in child.stdout:
        rest.append((line.strip(), time.monotonic() - sent))
    child.wait(20)
    words = [line for line, _ in rest if not line.startswith(label)]
    # Safe after the interruption, and when Python exits after one more measurement.
    assert words == ["safe True", "interrupted", "safe True"], (rest, child.stderr)
    assert dict(rest)["interrupted"] < 1.0, rest


def test_ctrl_c_leaves_a_run_that_resumes(tmp_path: Path) -> None:
    text = LAB + textwrap.dedent(f"""
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_runs import RECIPE, samples

        data = (samples(240, 1), samples(80, 2))
        def run(out, **more):
            return tp.run(RECIPE, data=data, devices={{"lab": lab}}, out=out, set={{"training.epochs": 400}}, progress=False, **more)
        try:
            run({str(tmp_path / "run")!r}, on_epoch=lambda e: print("epoch", flush=True))
        except KeyboardInterrupt as error:
            print("interrupted", error.__notes__, flush=True)
    """)
    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = iter(child.stdout)
    for line in lines:
        if line.startswith("epoch"):
            break
    child.send_signal(signal.SIGINT)
    rest = [line.strip() for line in lines if not line.startswith("epoch")]
    child.wait(20)
    assert rest[0] == "safe" and "resume" in rest[1], rest
    assert any((tmp_path / "run").glob("checkpoint-*"))

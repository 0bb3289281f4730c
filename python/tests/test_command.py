"""The command line that the package brings, and devices that are probed and served."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

import twinprop as tp


def test_the_package_brings_the_command_line(tmp_path: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "twinprop", *arguments]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert command("--version").stdout == f"twinprop {tp.__version__}\n"
    wrong = command("train", "nowhere.toml")
    assert wrong.returncode == 2 and "nowhere.toml" in wrong.stderr, wrong
    made = command("new", "lab")
    assert made.returncode == 0 and (tmp_path / "lab" / "twinprop_rig.py").read_text() == (
        Path(tp.__file__).with_name("rig.py").read_text()
    ), made


def test_a_device_is_probed(lab: Any) -> None:
    found = lab.probe(0.2, progress=False)
    assert found["shots"] >= 10 and found["interface"]["device"] == lab.name, found
    assert found["repeatability"], found


def test_a_device_is_served_to_another_program(tmp_path: Path) -> None:
    script = tmp_path / "served.py"
    script.write_text(textwrap.dedent("""
        import numpy as np, twinprop as tp
        @tp.device(inputs=tp.bank("x", 2, "V", -1, 1), parameters=tp.bank("gain", 1, "1", 0, 2),
                   outputs=tp.bank("y", 2, "V", -2, 2))
        def amplifier(x, theta):
            return x * theta
        @amplifier.safe
        def off():
            print("all off", flush=True)
        amplifier.serve(tcp="127.0.0.1:0")
    """))
    served = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert served.stdout is not None
        address = re.search(r"tcp://\S+", served.stdout.readline())
        assert address is not None
        device = tp.open_device(address[0])
        assert device.interface.parameters == (tp.bank("gain", 1, "1", 0, 2),)
        readings = device.measure([[0.5, -0.25]], [2.0])
        np.testing.assert_allclose(readings, [[1.0, -0.5]])
        device.make_safe()
        assert "all off" in served.stdout.readline()
        del device
    finally:
        served.terminate()
        assert served.wait(20) == 0

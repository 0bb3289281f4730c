"""A recipe trained by the package and by the command line ends with the same bits.

The environment variable TWINPROP names the command.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import twinprop as tp

ROOT = Path(__file__).parents[2]
CHANGES = {
    "training.epochs": 2,
    "calibration.shots": 2000,
    "calibration.fit.epochs": 3,
    "calibration.require": "none",
    "accounting.digital_peer": False,
}


@pytest.mark.skipif("TWINPROP" not in os.environ, reason="TWINPROP names no command")
@pytest.mark.parametrize("recipe", ["digits-oscillators", "vowels-optical", "diabetes-optical"])
def test_the_parameters_are_the_same_byte_for_byte(recipe: str, tmp_path: Path) -> None:
    path = ROOT / "experiments" / f"{recipe}.toml"
    run = tp.run(path, out=tmp_path / "package", set=CHANGES, progress=False)
    options = [f"--set={key}={json.dumps(value)}" for key, value in CHANGES.items()]
    subprocess.run(
        [os.environ["TWINPROP"], "train", path, f"--out={tmp_path / 'command'}", *options],
        check=True, capture_output=True, timeout=300,
    )
    command = (tmp_path / "command" / "parameters.safetensors").read_bytes()
    assert (run.folder / "parameters.safetensors").read_bytes() == command

"""Twins that a rig serves train a recipe, and are asked, without a twin in this program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp

SCRIPT = """
import numpy as np
from twinprop.rig import bank, rig

@rig(inputs=bank("drive", 3, "V", -1, 1), parameters=bank("knob", 2, "V", 0, 2),
     outputs=bank("reading", 3, "V", -1, 1))
def measure(x, theta):
    return 0.4 * np.sin(x * theta[0]) + 0.1 * theta[1]

TWIN

measure.serve()
"""
TWIN = """
@measure.twin
def predict(x, theta):
    return GAIN * np.sin(x * theta[0]) + 0.1 * theta[1]
"""
RECIPE: dict[str, Any] = {
    "seed": 1,
    "network": ["encode", "scale", {"physical": {"device": "lab", "shots": 4}}, "scale", "readout"],
    "calibration": {"twin": "served", "test_shots": 100, "fidelity": {"points": 16}},
    "training": {"epochs": 4, "batch": 30, "learning_rate": 0.03},
    "accounting": {"digital_peer": False},
}


def rig(folder: Path, twin: str) -> str:
    script = folder / "rig.py"
    script.write_text(SCRIPT.replace("TWIN", twin))
    return f"process:{sys.executable} {script}"


def samples(count: int, seed: int) -> tuple[Any, Any]:
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    return x, np.where(x.sum(1) > 0, "above", "below")


def train(folder: Path, target: str, **options: Any) -> tp.Run:
    recipe = {**RECIPE, "devices": {"lab": {"rig": {"target": target}}}}
    data = (samples(240, 1), samples(80, 2))
    return tp.run(recipe, data=data, out=folder / "run", progress=False, **options)


def test_a_served_twin_trains_and_is_asked(tmp_path: Path) -> None:
    run = train(tmp_path, rig(tmp_path, TWIN.replace("GAIN", "0.4")))
    assert run.history[-1].test_score > 0.85
    fidelity = run.summary["twin"]
    assert fidelity["gradient_cosine"] > 0.99, fidelity
    x, y = samples(80, 3)
    assert (run.predict(x, source="predicted") == y).mean() > 0.8


def test_a_served_twin_is_judged_and_passed_on(tmp_path: Path) -> None:
    lab = tp.open_device(rig(tmp_path, TWIN.replace("GAIN", "0.4")))
    twin = tp.calibrate(lab, twin="served", test_shots=100, progress=False)
    assert twin.fidelity.verdict == "fit"
    dx, dtheta = twin.vjp(np.full((2, 3), 0.1), [1.0, 0.5], np.ones((2, 3)))
    np.testing.assert_allclose(dx, 0.4 * np.cos(0.1), rtol=1e-3)
    assert dtheta.shape == (1, 2)
    network = tp.Network("encode", "scale", tp.Physical(lab, twin=twin, shots=4), "scale", "readout")
    run = tp.train(
        network, *samples(240, 1), test=samples(80, 2), epochs=4, batch=30, learning_rate=0.03,
        out=tmp_path / "run", progress=False,
    )
    assert run.history[-1].test_score > 0.85
    for layer in (tp.Physical(lab, twin="served", shots=4), tp.Physical(lab, twin=twin, shots=4)):
        network = tp.Network("encode", "scale", layer, "scale", "readout")
        place = tmp_path / f"named-{len(list(tmp_path.iterdir()))}"
        named = tp.train(
            network, *samples(240, 1), test=samples(80, 2), epochs=2, batch=30, out=place,
            progress=False, set={"calibration.test_shots": 100},
        )
        assert [one.verdict for one in named.fidelity.values()] == ["fit"]
    with pytest.raises(tp.CalibrationError, match="the rig that serves"):
        twin.save(tmp_path / "twin")
    with pytest.raises(tp.CalibrationError, match="serves no twin"):
        tp.calibrate(tp.simulate("pendula"), twin="served", progress=False)


def test_a_rig_without_a_twin_is_refused_before_a_shot(tmp_path: Path) -> None:
    with pytest.raises(tp.RecipeError, match="serves none; give its script a twin"):
        train(tmp_path, rig(tmp_path, ""))
    assert not (tmp_path / "run").exists()


def test_a_served_twin_that_fails_says_why(tmp_path: Path) -> None:
    twin = TWIN.replace("return", "if theta[1] > 1.9: raise ValueError('my model')\n    return")
    with pytest.raises(tp.RigError, match="my model"):
        train(tmp_path, rig(tmp_path, twin.replace("GAIN", "0.4")))


def test_a_served_twin_that_fails_raises_where_it_is_asked(tmp_path: Path) -> None:
    failing = TWIN.replace("return", "if theta[1] == 1.25: raise ValueError('my model')\n    return")
    lab = tp.open_device(rig(tmp_path, failing.replace("GAIN", "0.4")))
    twin = tp.calibrate(lab, twin="served", test_shots=100, progress=False)
    x = np.full((2, 3), 0.1)
    for ask in (lambda theta: twin.predict(x, theta), lambda theta: twin.vjp(x, theta, x)):
        with pytest.raises(tp.RigError, match="my model"):
            ask([1.0, 1.25])
        ask([1.0, 0.5])


def test_a_poor_served_twin_is_not_trained_with(tmp_path: Path) -> None:
    with pytest.raises(tp.RecipeError, match="stopped before the training"):
        train(tmp_path, rig(tmp_path, TWIN.replace("GAIN", "-0.4")))

"""Recipes and arrays are trained, stopped, resumed and asked, with devices of this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp

RECIPE: dict[str, Any] = {
    "seed": 1,
    "network": [
        "encode", "scale", {"physical": {"device": "lab", "shots": 4}}, "scale", "readout",
    ],
    "calibration": {"shots": 2000, "test_shots": 200, "twin": {"neural": {"width": 32}}},
    "training": {"epochs": 6, "batch": 30, "learning_rate": 0.03, "refinement": "off"},
    "accounting": {"digital_peer": False},
}


def samples(count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count, 3))
    return x, np.where(x.sum(1) > 0, "above", "below")


def test_arrays_are_trained_on_a_function_and_the_run_is_asked(lab: Any, tmp_path: Path) -> None:
    train, test = samples(240, 1), samples(80, 2)
    seen: list[tp.Epoch] = []
    run = tp.run(
        RECIPE, data=(train, test), devices={"lab": lab}, out=tmp_path / "run",
        on_epoch=lambda epoch: seen.append(epoch), progress=False,
    )
    assert len(seen) == 6 and [e.epoch for e in run.history] == [1, 2, 3, 4, 5, 6]
    assert run.history[-1].test_score > 0.85 and seen[-1] == run.history[-1], run
    assert run.summary["rule"] == "pat" and run.report.is_file()
    theta = next(value for name, value in run.parameters.items() if "physical" in name)
    assert theta.shape == (4, 2)

    predicted = run.predict(test[0])
    assert (predicted == test[1]).mean() > 0.85 and set(predicted) <= {"above", "below"}
    shots = lab.shots
    asked = tp.load(tmp_path / "run", devices={"lab": lab})
    assert (asked.predict(test[0], source="predicted") == test[1]).mean() > 0.7
    assert lab.shots == shots, "the twin plays no shot"
    np.testing.assert_allclose(asked.predict_proba(test[0]).sum(1), 1, atol=1e-5)
    assert run.evaluate().test_score > 0.85
    with pytest.raises(tp.RecipeError, match="2 features"):
        run.predict(test[0][:, :2])


def test_values_are_standardised_and_come_back_in_their_units(lab: Any, tmp_path: Path) -> None:
    (x, _), (x_test, _) = samples(300, 1), samples(80, 2)
    y, y_test = 1e3 * (2 + x.sum(1)), 1e3 * (2 + x_test.sum(1))
    recipe = {**RECIPE, "network": [*RECIPE["network"][:-1], {"linear": {"outputs": 1}}]}
    run = tp.run(
        recipe, data=((x, y), (x_test, y_test)), devices={"lab": lab}, out=tmp_path / "run",
        progress=False, set={"training.epochs": 12},
    )
    predicted = run.predict(x_test)
    assert predicted.shape == (80, 1)
    error = np.sqrt(np.mean((predicted[:, 0] - y_test) ** 2))
    assert error < 0.5 * y_test.std(), (error, run)
    assert run.evaluate()["test_rmse"] == pytest.approx(error, rel=0.05)


def test_a_function_ends_the_training_and_its_exception_is_raised(lab: Any, tmp_path: Path) -> None:
    data = (samples(240, 1), samples(80, 2))
    options: dict[str, Any] = {"data": data, "devices": {"lab": lab}, "progress": False}
    run = tp.run(RECIPE, out=tmp_path / "run", on_epoch=lambda e: e.epoch == 2, **options)
    assert len(run.history) == 2 and run.summary["epochs"] == 2 and run.report.is_file()
    assert run.evaluate().test_score == pytest.approx(run.history[-1].test_score, abs=0.05)
    with pytest.raises(tp.RecipeError, match="complete"):
        tp.resume(tmp_path / "run", **options)
    whole = tp.run(RECIPE, out=tmp_path / "whole", **options)

    def fail(epoch: tp.Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        tp.run(RECIPE, out=tmp_path / "fails", on_epoch=fail, **options)
    assert "goes on from the last checkpoint" in caught.value.__notes__[0]
    with pytest.raises(tp.RecipeError, match="has not ended; twinprop.resume"):
        tp.load(tmp_path / "fails")
    on = tp.resume(tmp_path / "fails", **options)
    assert len(on.history) == 6
    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(on.parameters[name], value)
    lab.measure([[0.0, 0.0, 0.0]], [1.0, 1.0])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"training": {"epoch": 3}}, tp.RecipeError, "epoch"),
        ({"network": ["encode", "decode"]}, tp.RecipeError, "decode"),
        ({"seed": object()}, tp.RecipeError, "seed is object"),
    ],
)
def test_wrong_recipes_name_the_key(
    lab: Any, changes: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tp.run({**RECIPE, **changes}, data=samples(90, 1), devices={"lab": lab}, progress=False)
    with pytest.raises(tp.RecipeError, match="nowhere"):
        tp.run("nowhere.toml")
    with pytest.raises(tp.RecipeError, match="no folder"):
        tp.load("nowhere")

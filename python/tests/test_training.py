"""Networks on arrays: twins that are passed, losses that are functions, and the run afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp


def samples(count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count, 3))
    return x, np.where(x.sum(1) > 0, "above", "below")


def network(device: tp.Device, twin: Any = None) -> tp.Network:
    return tp.Network("encode", "scale", tp.Physical(device, twin=twin, shots=4), "scale", "readout")


OPTIONS: dict[str, Any] = {
    "test": samples(80, 2),
    "epochs": 6,
    "batch": 30,
    "learning_rate": 0.03,
    "seed": 1,
    "progress": False,
    "set": {"training.refinement": "off"},
}


def cross_entropy(outputs: Any, y: Any) -> tuple[float, Any]:
    p = np.exp(outputs - outputs.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    value = float(-np.log(p[rows, y]).mean())
    p[rows, y] -= 1
    return value, p / len(y)


def test_a_calibrated_twin_is_used_and_not_fitted_again(lab: Any, tmp_path: Path) -> None:
    twin = tp.calibrate(lab, shots=2000, test_shots=200, twin={"neural": {"width": 32}}, progress=False)
    shots = lab.shots
    run = tp.train(network(lab, twin), *samples(240, 1), out=tmp_path / "run", **OPTIONS)
    assert run.history[-1].test_score > 0.85
    played = lab.shots - shots
    # First shots, judgement, training and tests, reference set: far below another 20,000 shots.
    assert played < 6 * 320 * 4 + 10_000, played
    assert lab.name in run.recipe["devices"]
    x, y = samples(80, 2)
    again = tp.load(tmp_path / "run", devices=lab, data=(samples(240, 1), (x, y)))
    assert (again.predict(x, source="predicted") == y).mean() > 0.7
    assert again.evaluate().test_score > 0.85
    assert again.fidelity[lab.name].cosine == pytest.approx(twin.fidelity.cosine, abs=0.2)
    assert again.fidelity[lab.name].verdict == again.summary["twins"][0]["grade"]


def test_samples_divided_by_a_share_are_divided_again(lab: Any, tmp_path: Path) -> None:
    x, y = samples(240, 1)
    options = {**OPTIONS, "test": 0.3, "seed": 5}
    run = tp.train(network(lab), x, y, calibration_shots=1000, out=tmp_path / "run", **options)
    again = tp.load(tmp_path / "run", devices=lab, data=(x, y), test=0.3)
    assert again.evaluate().test_score == pytest.approx(run.evaluate().test_score, abs=0.05)
    with pytest.raises(tp.RecipeError, match="training samples were 168"):
        tp.load(tmp_path / "run", devices=lab, data=(x, y)).evaluate()


def test_a_twin_of_ones_own_trains_and_is_asked(lab: Any, tmp_path: Path) -> None:
    model = tp.twin(
        lambda x, theta, c: c["gain"] * np.sin(x * theta[:, :1]) + c["tilt"] * theta[:, 1:],
        constants={"gain": 1.0, "tilt": 1.0},
    )
    twin = tp.calibrate(lab, shots=2000, test_shots=200, twin=model, progress=False)
    net = network(lab, twin)
    run = tp.train(net, *samples(240, 1), out=tmp_path / "run", **OPTIONS)
    assert run.recipe["devices"][lab.name]["twin"] == "given"
    x, y = samples(80, 2)
    asked = tp.load(tmp_path / "run", devices=lab, twins=twin)
    assert (asked.predict(x, source="predicted") == run.predict(x, source="predicted")).all()
    with pytest.raises(tp.CalibrationError, match="pass the twin"):
        tp.load(tmp_path / "run", devices=lab).predict(x, source="predicted")
    with pytest.raises(tp.RecipeError, match="not calibrated"):
        tp.Physical(lab, twin=tp.twin(lambda x, theta: x))  # type: ignore[arg-type]


def test_a_function_as_loss_trains_as_the_loss_that_it_repeats(lab: Any, tmp_path: Path) -> None:
    simulated = tp.simulate("pendula", count=3, seed=1, imperfections={"mismatch": 0.1})
    histories = []
    losses: list[Any] = ["cross_entropy", cross_entropy]
    for place, loss in enumerate(losses):
        run = tp.train(
            network(simulated, "physics"), *samples(240, 1), loss=loss, out=tmp_path / f"{place}", **OPTIONS
        )
        histories.append(run.history["train_loss"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-3)
    assert run.recipe["training"]["loss"] == "given"
    evaluated = run.evaluate()
    assert evaluated["test_loss"] == pytest.approx(float(run.history["test_loss"][-1]), abs=0.05)
    # Answers need no loss, the test's loss does.
    again = tp.load(tmp_path / "1", devices=simulated, data=(samples(240, 1), samples(80, 2)))
    assert len(again.predict(samples(9, 3)[0])) == 9
    with pytest.raises(tp.RecipeError, match="loss"):
        again.evaluate()


def test_values_are_regressed_by_a_loss_of_ones_own(lab: Any, tmp_path: Path) -> None:
    def loss(outputs: Any, y: Any) -> tuple[float, Any]:
        difference = outputs - y
        return float((difference**2).mean()), 2 * difference / difference.size

    x, _ = samples(300, 1)
    x_test, _ = samples(80, 2)
    net = tp.Network("encode", "scale", tp.Physical(lab, shots=4), "scale", {"linear": {"outputs": 1}})
    options = {**OPTIONS, "test": (x_test, 1e3 * (2 + x_test.sum(1)))}
    run = tp.train(
        net, x, 1e3 * (2 + x.sum(1)), loss=loss, calibration_shots=2000, out=tmp_path / "run", **options
    )
    assert run.history[-1].test_score > 0.6
    assert 1000 < run.predict(x_test).mean() < 3000


@pytest.mark.parametrize("wrong", ["raises", "shape", "no pair", "nan", "nan gradient"])
def test_a_wrong_loss_ends_the_training_with_its_reason(lab: Any, tmp_path: Path, wrong: str) -> None:
    calls = []

    def loss(outputs: Any, y: Any) -> Any:
        calls.append(len(outputs))
        if len(calls) < 4:
            return cross_entropy(outputs, y)
        if wrong == "raises":
            raise ZeroDivisionError("my loss")
        if wrong == "no pair":
            return 1.0
        if wrong == "nan gradient":
            return 1.0, outputs * np.nan
        return (np.nan if wrong == "nan" else 1.0), outputs if wrong == "nan" else outputs.T

    twin = tp.calibrate(lab, shots=2000, test_shots=200, twin={"neural": {"width": 32}}, progress=False)
    kind, words = {
        "raises": (ZeroDivisionError, "my loss"),
        "shape": (tp.ShapeError, "gradient"),
        "no pair": (tp.ShapeError, "value, gradient"),
        "nan": (tp.DivergedError, "NaN"),
        "nan gradient": (tp.DivergedError, "the gradient is NaN"),
    }[wrong]
    with pytest.raises(kind, match=words) as raised:
        tp.train(network(lab, twin), *samples(240, 1), loss=loss, out=tmp_path / "run", **OPTIONS)
    assert "twinprop.resume" in str(getattr(raised.value, "__notes__", ""))
    assert len(calls) <= 5, "the training ends at once"
    # The state before the wrong step is kept: it resumes with a sound loss.
    data = (samples(240, 1), samples(80, 2))
    run = tp.resume(
        tmp_path / "run", devices=lab, twins=twin, loss=cross_entropy, data=data, progress=False
    )
    assert len(run.history) == 6


def test_a_loss_of_ones_own_gets_the_classes_of_a_recipe(tmp_path: Path) -> None:
    seen: set[Any] = set()

    def loss(outputs: Any, y: Any) -> tuple[float, Any]:
        seen.add((y.dtype.kind, y.ndim))
        return cross_entropy(outputs, y)

    recipe = {
        "network": ["encode", {"linear": {"outputs": 11}}, "readout"],
        "data": {"source": "vowels"},
        "training": {"epochs": 1},
        "accounting": {"digital_peer": False},
    }
    tp.run(recipe, loss=loss, out=tmp_path / "run", progress=False)
    assert seen == {("i", 1)}
    with pytest.raises(tp.RecipeError, match="give seed"):
        tp.run(recipe, set={"seed": 3}, progress=False)


def test_a_twin_that_raises_ends_the_training_before_a_step(lab: Any, tmp_path: Path) -> None:
    calls = []

    def vjp(x: Any, theta: Any, dy: Any, c: Any) -> Any:
        calls.append(1)
        if len(calls) > 40:
            raise ValueError("my vjp")
        return 0 * x, 0 * theta

    own = tp.twin(lambda x, theta, c: x * c["gain"] + 0 * theta[:, :1], vjp, {"gain": 0.4})
    twin = tp.calibrate(lab, shots=300, test_shots=100, twin=own, progress=False)
    calls.clear()
    with pytest.raises(ValueError, match="my vjp"):
        tp.train(
            network(lab, twin), *samples(240, 1), out=tmp_path / "run",
            **{**OPTIONS, "set": {"calibration.require": "none", "calibration.fidelity.points": 8}},
        )


def test_a_run_is_watched_recalibrated_and_moved(tmp_path: Path) -> None:
    def copy(seed: int) -> tp.Device:
        return tp.simulate("pendula", count=3, seed=seed, imperfections={"mismatch": 0.2})

    first = copy(1)
    run = tp.train(network(first, "learned_physics"), *samples(240, 1), calibration_shots=1000,
                   out=tmp_path / "run", **OPTIONS)
    settings, parameters = run.settings, run.parameters
    assert list(settings) == ["2.physical.parameters"]
    assert settings["2.physical.parameters"].shape == parameters["2.physical.parameters"].shape
    bank = first.interface.parameters[0]
    values = settings["2.physical.parameters"][:, : bank.count]
    middle, half = (bank.minimum + bank.maximum) / 2, (bank.maximum - bank.minimum) / 2
    normalised = parameters["2.physical.parameters"][:, : bank.count]
    np.testing.assert_allclose(values, middle + half * np.clip(normalised, -1, 1), rtol=1e-5)

    # It is looked at as it is: the shots since the training are not taken back.
    played = first.shots
    first.measure(np.zeros((50, 3)), np.zeros(first.interface.n_parameters))
    looks = run.watch()
    assert first.shots > played + 50
    assert [look.device for look in looks] == [first.name] and not looks[0].alarm, looks
    moved = tp.load(tmp_path / "run", devices=copy(2), data=(samples(240, 1), samples(80, 2)))
    assert moved.watch()[0].alarm
    again = moved.recalibrate(2000, out=tmp_path / "again", progress=False)
    assert again.adaptation["fine_tuned"] >= again.adaptation["as_it_is"] - 0.05
    there = run.transfer(2000, devices=copy(3), out=tmp_path / "there", progress=False)
    assert there.evaluate().test_score == pytest.approx(there.adaptation["fine_tuned"], abs=0.1)
    with pytest.raises(tp.RecipeError, match="copy=SEED"):
        run.transfer(2000)
    with pytest.raises(tp.RecipeError, match=r"load\(folder, …\).recalibrate"):
        run.transfer(2000, copy=4, out=tmp_path / "nowhere")


def test_a_copy_is_new_and_the_samples_go_with_the_run(tmp_path: Path) -> None:
    """A device that ages has aged by the shots of its own alone."""
    def copy(seed: int) -> tp.Device:
        return tp.simulate("pendula", count=3, seed=seed, imperfections={"drift": {"deviation": 0.3, "over": {"shots": 20000}}})

    run = tp.train(network(copy(1), "physics"), *samples(240, 1), out=tmp_path / "run", **OPTIONS)
    assert run.summary["device_shots"] > 5000
    other = copy(1)
    there = run.transfer(2000, devices=other, out=tmp_path / "there", progress=False)
    usage = json.loads((there.folder / "usage.json").read_text())
    assert usage[other.name]["shots"] == other.shots < run.summary["device_shots"], usage

    recipe = {
        "network": ["encode", {"physical": {"device": "p", "shots": 4}}, "scale", "readout"],
        "devices": {"p": {"model": {"pendula": {"count": 3}}}},
        "calibration": {"twin": "physics", "test_shots": 100},
        "training": {"epochs": 2},
        "accounting": {"digital_peer": False},
    }
    data = (samples(240, 1), samples(80, 2))
    run = tp.run(recipe, data=data, loss=cross_entropy, out=tmp_path / "simulated", progress=False)
    there = run.transfer(1000, copy=7, out=tmp_path / "copy", progress=False)
    assert there.recipe["device_seed"] == 7 and there.evaluate().test_score > 0.5


def test_a_recipe_of_a_file_is_moved_to_another_copy(tmp_path: Path) -> None:
    recipe = {
        "network": ["encode", {"physical": {"device": "p", "shots": 4}}, "scale", "readout"],
        "devices": {"p": {"model": {"pendula": {"count": 18}}, "imperfections": {"mismatch": 0.1}}},
        "data": {"source": "vowels"},
        "calibration": {"twin": "physics", "test_shots": 100},
        "training": {"epochs": 2},
        "accounting": {"digital_peer": False},
    }
    run = tp.run(recipe, out=tmp_path / "run", progress=False)
    there = run.transfer(3000, copy=7, out=tmp_path / "there", progress=False)
    assert there.folder == tmp_path / "there" / "3000" and there.recipe["device_seed"] == 7


@pytest.mark.parametrize("classes", [[False, True], [3, 10], ["007", "010"], ["a", "b"]])
def test_classes_come_back_as_they_were(lab: Any, tmp_path: Path, classes: list[Any]) -> None:
    x = samples(240, 1)[0]
    y = np.array(classes)[(x.sum(1) > 0).astype(int)]
    options = {**OPTIONS, "test": 0.25, "epochs": 4}
    run = tp.train(network(lab), x, y, calibration_shots=2000, out=tmp_path / "run", **options)
    answers = run.predict(x)
    assert answers.dtype.kind == y.dtype.kind and (answers == y).mean() > 0.8, answers[:5]


def test_a_number_of_numpy_ends_the_training(lab: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "on_epoch": lambda epoch: np.mean([epoch.test_score]) > 0}
    run = tp.train(network(lab), *samples(240, 1), calibration_shots=2000, out=tmp_path / "run", **options)
    assert len(run.history) == 1


def test_another_function_is_another_copy(lab: Any, tmp_path: Path) -> None:
    run = tp.train(network(lab), *samples(240, 1), calibration_shots=2000, out=tmp_path / "run", **OPTIONS)
    i = lab.interface

    @tp.device(inputs=i.inputs, parameters=i.parameters, outputs=i.outputs,
               seconds_per_shot=i.seconds_per_shot)
    def other(x: Any, theta: Any) -> Any:
        return np.clip(lab.__wrapped__(x, 0.9 * theta), -1, 1)

    there = run.transfer(2000, devices=other, out=tmp_path / "there", progress=False)
    assert other.shots > 0 and there.adaptation["fine_tuned"] > 0.7
    assert "adapted" in repr(there)
    assert there.evaluate().test_score == pytest.approx(there.adaptation["fine_tuned"], abs=0.1)
    again = tp.load(there.folder, devices=other)
    assert len(again.predict(samples(20, 5)[0])) == 20


def test_a_poor_twin_is_told(lab: Any, tmp_path: Path) -> None:
    few = {**OPTIONS, "epochs": 1, "set": {**OPTIONS["set"], "calibration.require": "none"}}
    wrong = tp.twin(lambda x, theta: -0.4 * np.sin(x * theta[:, :1]))
    twin = tp.calibrate(lab, shots=100, test_shots=200, twin=wrong, progress=False)
    with pytest.warns(UserWarning, match="not fit for training"):
        tp.train(network(lab, twin), *samples(240, 1), out=tmp_path / "run", **few)


def test_wrong_turns_are_named(lab: Any, tmp_path: Path) -> None:
    x, y = samples(60, 1)
    with pytest.raises(tp.ShapeError, match="flattened"):
        tp.train(network(lab), x.reshape(60, 1, 3), y)
    with pytest.raises(tp.RecipeError, match="between 0 and 1"):
        tp.train(network(lab), x, y, test=2)
    with pytest.raises(tp.DataError, match=r"x\[3, 1\] is nan"):
        tp.train(network(lab), np.where(x == x[3, 1], np.nan, x), y, out=tmp_path / "nan")
    with pytest.raises(tp.DataError, match="as floats"):
        tp.train(network(lab), x, np.arange(60), out=tmp_path / "whole")
    with pytest.raises(tp.DataError, match="come back as numbers"):
        tp.train(network(lab), x, np.where(x.sum(1) > 0, "7", "10"), out=tmp_path / "text")
    with pytest.raises(tp.RecipeError, match="'training.schedule'"):
        tp.train(network(lab), x, y, set={"training": {"schedule": "constant"}})
    with pytest.raises(tp.RecipeError, match="twinprop.Physical"):
        tp.Network("encode", lab, "readout")
    with pytest.raises(tp.RecipeError, match="one argument each|one\n?argument"):
        tp.Network(["encode", "readout"])  # type: ignore[arg-type]
    for shots in (0, 1.5):
        with pytest.raises(tp.RecipeError, match="whole number from 1"):
            tp.Physical(lab, shots=shots)  # type: ignore[arg-type]
    with pytest.raises(tp.RecipeError, match="no folder"):
        tp.load(tmp_path / "missing")
    with pytest.raises(tp.RecipeError, match="different kinds"):
        tp.Network(tp.Physical(lab, twin="neural"), tp.Physical(lab, twin="temporal"))
    with pytest.raises(tp.RecipeError, match="unknown variant"):
        tp.train(tp.Network("encode", "sacle", tp.Physical(lab), "readout"), x, y)
    with pytest.raises(tp.RecipeError, match="tp.Network|twinprop.Network"):
        tp.train(["encode"], x, y)  # type: ignore[arg-type]
    with pytest.raises(tp.DataError, match="only"):
        tp.train(network(lab), x, y, test=(x[:2], np.array(["above", "elsewhere"])))

"""Twins predict and pull back as they are judged to, and are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp

QUICK: dict[str, Any] = {"shots": 1500, "test_shots": 200, "seed": 3, "progress": False}


def test_a_neural_twin_of_a_function_is_fit_and_its_vjp_is_its_predictions_derivative(
    lab: Any, tmp_path: Path
) -> None:
    calls: list[tuple[str, int, int]] = []
    options = {**QUICK, "shots": 6000, "progress": lambda *call: calls.append(call)}
    twin = tp.calibrate(lab, twin={"neural": {"width": 48, "depth": 2}}, **options)
    assert twin.fidelity.verdict == "fit", twin
    assert twin.fidelity.cosine[1] <= twin.fidelity.cosine[0] <= twin.fidelity.cosine[2]
    assert lab.shots > 6200
    assert [label for label in dict.fromkeys(call[0] for call in calls)] == [
        "measure shots", "fit the twin", "judge the twin",
    ]

    rng = np.random.default_rng(1)
    x, theta = rng.uniform(-0.5, 0.5, (4, 3)), rng.uniform(0.5, 1.5, (2, 2))
    dy = rng.normal(size=(4, 3)).astype(np.float32)
    dx, dtheta = twin.vjp(x, theta, dy)
    assert dx.shape == (4, 3) and dtheta.shape == (2, 2)
    step = 1e-2

    def loss(x: Any, theta: Any) -> float:
        return float((twin.predict(x, theta).astype(float) * dy).sum())

    for of, gradient in ((x, dx), (theta, dtheta)):
        for index in np.ndindex(of.shape):
            moved = np.zeros_like(of)
            moved[index] = step
            if of is x:
                central = (loss(x + moved, theta) - loss(x - moved, theta)) / (2 * step)
            else:
                central = (loss(x, theta + moved) - loss(x, theta - moved)) / (2 * step)
            assert abs(central - gradient[index]) < 0.02 * max(1, abs(central)), index

    twin.save(tmp_path / "twin")
    again = tp.load_twin(tmp_path / "twin")
    np.testing.assert_array_equal(again.predict(x, theta), twin.predict(x, theta))
    assert again.fidelity.values == twin.fidelity.values
    (tmp_path / "twin" / "calibration.json").write_text("{}")
    with pytest.raises(tp.CalibrationError, match="not a twin"):
        tp.load_twin(tmp_path / "twin")
    with pytest.raises(tp.CalibrationError, match="nothing"):
        tp.load_twin(tmp_path / "nothing")


def test_physics_twins_of_simulated_devices(tmp_path: Path) -> None:
    device = tp.simulate("pendula", count=3, seed=1, imperfections={"mismatch": 0.1})
    nominal = tp.calibrate(device, twin="physics", **QUICK)
    learned = tp.calibrate(device, twin="learned_physics", **QUICK)
    assert learned.fidelity.r2[0] > nominal.fidelity.r2[0] and learned.fidelity.r2[0] > 0.999
    learned.save(tmp_path)
    x, theta = np.full((2, 3), 0.2), np.zeros(device.interface.n_parameters)
    np.testing.assert_allclose(
        tp.load_twin(tmp_path).predict(x, theta), learned.predict(x, theta), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"twin": "neuronal"}, tp.RecipeError, "unknown variant `neuronal`"),
        ({"twin": {"neural": {"wide": 3}}}, tp.RecipeError, "unknown field `wide`"),
        ({"fit": {"epoch": 3}}, tp.RecipeError, "unknown field `epoch`"),
        ({"design": "grid"}, tp.RecipeError, "unknown variant `grid`"),
        ({"twin": "physics"}, tp.CalibrationError, "`sine` has none"),
        ({"shots": 1}, tp.CalibrationError, "shots"),
    ],
)
def test_wrong_options_are_named(
    lab: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tp.calibrate(lab, **{**QUICK, **options})
    # The device is free again.
    lab.measure([[0.0, 0.0, 0.0]], [1.0, 1.0])


def test_an_active_design_measures_as_many_shots(lab: Any) -> None:
    options = {**QUICK, "shots": 400, "fidelity": {"points": 8, "repeats": 2}}
    design = {"active": {"ensemble": {"members": 2, "member": {"width": 8}}, "fit": {"epochs": 2}}}
    shots = []
    tp.calibrate(lab, twin={"neural": {"width": 8}}, design=design,
                 **{**options, "progress": lambda *call: shots.append(call)})
    assert max(done for label, done, _ in shots if label == "measure shots") == 600


def test_wrong_devices_twins_and_numbers_are_named(lab: Any, tmp_path: Path) -> None:
    def plain(x: Any, theta: Any) -> Any:
        return x

    with pytest.raises(tp.CalibrationError, match="@twinprop.device"):
        tp.calibrate(plain)  # type: ignore[arg-type]
    for twin in (plain, None, 3):
        with pytest.raises(tp.CalibrationError, match="twinprop.twin"):
            tp.calibrate(lab, twin=twin)  # type: ignore[arg-type]
    with pytest.raises(tp.RecipeError, match="unknown variant `neral`") as raised:
        tp.calibrate(lab, twin="neral", progress=False)
    assert "line" not in str(raised.value)
    for options in ({"test_shots": 1}, {"shots": 0}, {"shots": 2.5}, {"seed": -1}):
        with pytest.raises(tp.RecipeError, match="whole number from"):
            tp.calibrate(lab, progress=False, **options)
    for count, low, high in ((0, 0, 1), (2, 1, -1), (2, 0, float("inf")), (2, 1, 1)):
        with pytest.raises(tp.RecipeError, match="bank 'd'"):
            tp.bank("d", count, "V", low, high)
    with pytest.raises(tp.CalibrationError, match="no folder"):
        tp.load_twin(tmp_path / "nowhere")


def test_a_function_called_itself_keeps_its_range_and_a_with_block_ends_safe() -> None:
    driven: list[float] = []

    @tp.device(
        inputs=tp.bank("x", 2, "V", -1, 1),
        parameters=tp.bank("gain", 1, "1", 0, 2),
        outputs=tp.bank("y", 2, "V", -2, 2),
    )
    def amplifier(x: Any, theta: Any) -> Any:
        driven.append(float(np.max(x)))
        return x * theta

    @amplifier.safe
    def off() -> None:
        driven.append(0.0)

    with pytest.raises(tp.DataError, match="out of the range"):
        amplifier(np.array([[0, 9.0]], np.float32), np.array([1.0], np.float32))
    assert driven == []
    with amplifier:
        amplifier.measure([[0.5, 7.0]], [1.0])
    assert driven == [1.0, 0.0]
    with pytest.raises(tp.MeasurementError, match="None"):
        tp.device(
            inputs=tp.bank("x", 2, "V", -1, 1), outputs=tp.bank("y", 2, "V", -2, 2)
        )(lambda x, theta: None).measure([[0.5, 0.5]], [])  # type: ignore[arg-type, return-value]


def small_device(readings: Any) -> Any:
    """A device with the function `readings(x, theta)`."""
    return tp.device(
        inputs=tp.bank("drive", 3, "V", 0, 1),
        parameters=tp.bank("knob", 2, "V", 0, 1),
        outputs=tp.bank("detector", 4, "V", -4, 4),
        seconds_per_shot=1e-3,
    )(readings)


def test_constant_readings_are_named() -> None:
    def dead(x: Any, theta: Any) -> Any:
        return np.full((len(x), 4), 1.3)

    fidelity = tp.calibrate(small_device(dead), shots=200, seed=1).fidelity
    assert str(fidelity) == "not fit for training: gradient cosine 0.000 (-1.000 to 1.000), R² unknown"


def test_advice_is_an_argument(tmp_path: Path) -> None:
    def folded(x: Any, theta: Any) -> Any:
        return np.sin(40 * x @ np.ones((3, 4)) + theta.sum())

    x = np.random.default_rng(1).normal(size=(60, 3))
    network = tp.Network("encode", tp.Physical(small_device(folded)), "readout")
    with pytest.raises(tp.TwinpropError, match=r'`set=\{"calibration.require": "none"\}`'):
        tp.train(network, x, x[:, 0] > 0, calibration_shots=200, seed=1, out=tmp_path / "run")

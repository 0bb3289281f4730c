"""Devices measure what their function returns, within their ranges, and say what is wrong."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest

import twinprop as tp


def test_a_function_is_measured_within_its_ranges(lab: Any) -> None:
    x = np.array([[0.1, -0.2, 5.0], [0.0, 0.5, 1.0]])
    readings = lab.measure(x, [1.0, 0.5])
    expected = 0.4 * np.sin(np.clip(x, -1, 1)) + 0.05
    assert readings.dtype == np.float32 and readings.shape == (2, 3)
    np.testing.assert_allclose(readings, expected, atol=1e-6)
    assert (lab.shots, lab.clamped) == (2, 1)


def test_shots_are_divided_evenly_among_the_settings(lab: Any) -> None:
    x = np.linspace(-1, 1, 18).reshape(6, 3)
    theta = np.array([[0.5, 0.0], [1.5, 1.0], [1.0, 2.0]])
    readings = lab.measure(x, theta)
    for run in range(3):
        rows = slice(2 * run, 2 * run + 2)
        np.testing.assert_array_equal(readings[rows], lab.measure(x[rows], theta[run]))
    with pytest.raises(tp.ShapeError, match="6 shots and `theta` 4 settings"):
        lab.measure(x, np.ones((4, 2)))


def test_a_device_that_sets_its_parameters_each_shot_gets_them_all() -> None:
    @tp.device(
        inputs=tp.bank("x", 1, "V", -1, 1),
        parameters=tp.bank("gain", 1, "1", 0, 2),
        outputs=tp.bank("y", 1, "V", -2, 2),
        each_shot=True,
    )
    def gain(x: Any, theta: Any) -> Any:
        assert theta.shape == (len(x), 1)
        return x * theta

    np.testing.assert_array_equal(gain.measure([[1], [1], [1], [1]], [[1], [2]]).ravel(), [1, 1, 2, 2])
    np.testing.assert_array_equal(gain.measure([[1.0], [0.5]], [2.0]).ravel(), [2, 1])


@pytest.mark.parametrize(
    ("x", "theta", "error", "message"),
    [
        (np.zeros((2, 4)), [1, 1], tp.ShapeError, r"`x` has the shape \(2, 4\), and \(shots, 3\)"),
        (np.zeros(3), [1, 1], tp.ShapeError, r"one shot is `x\[None\]`"),
        (np.zeros((2, 3)), [1], tp.ShapeError, r"`theta` has the shape \(1,\), and \(2,\)"),
        (np.zeros((2, 3), complex), [1, 1], tp.DataError, "complex128"),
        ([["a", "b", "c"]], [1, 1], tp.DataError, "real numbers"),
        (np.full((1, 3), np.nan), [1, 1], tp.DataError, "channel `drive 0` in shot 0 is NaN"),
        (np.zeros((1, 3)), [np.inf, 1], tp.DataError, "knob 0"),
    ],
)
def test_unusable_arrays_are_refused(
    lab: Any, x: Any, theta: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        lab.measure(x, theta)
    assert lab.shots == 0


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros((2, 1)), r"`readings` must have the shape \(1, 1\), and 2 shots came back"),
        (np.zeros((1, 3)), r"has the shape \(1, 3\)"),
        (None, "is None"),
        ([[np.nan]], "measured NaN"),
        ([[7.0]], "measured 7 V in shot 0, outside its range -1 to 1"),
    ],
)
def test_unusable_readings_are_refused(returned: Any, message: str) -> None:
    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), outputs=tp.bank("y", 1, "V", -1, 1))
    def broken(x: Any, theta: Any) -> Any:
        return returned

    with pytest.raises(tp.MeasurementError, match=message):
        broken.measure([[0.0]], [])


def test_an_exception_of_the_function_is_raised_unchanged(lab: Any) -> None:
    class Timeout(Exception):
        pass

    raised = Timeout("no answer from the oscilloscope")

    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), outputs=tp.bank("y", 1, "V", -1, 1))
    def silent(x: Any, theta: Any) -> Any:
        raise raised

    for _ in range(2):
        with pytest.raises(Timeout) as caught:
            silent.measure([[0.0]], [])
        assert caught.value is raised
    with pytest.raises(Timeout) as caught:
        tp.calibrate(silent, shots=10, test_shots=5, progress=False)
    assert caught.value is raised
    assert any("silent" in str(entry.name) for entry in caught.traceback)


def test_a_device_is_not_measured_from_within_its_own_function() -> None:
    @tp.device(inputs=tp.bank("x", 1, "V", -1, 1), outputs=tp.bank("y", 1, "V", -1, 1))
    def circular(x: Any, theta: Any) -> Any:
        return circular.measure(x, theta)

    with pytest.raises(tp.BusyError, match="in use"):
        circular.measure([[0.0]], [])
    assert circular.interface.n_inputs == 1


def test_complex_drives_are_two_banks_that_belong_together() -> None:
    for polar in (False, True):

        @tp.device(
            inputs=tp.complex_bank("field", 2, "V", 2, polar=polar),
            outputs=tp.bank("power", 2, "mW", 0, 4),
        )
        def modulator(x: Any, theta: Any) -> Any:
            first, second = x[:, :2], x[:, 2:]
            return first**2 if polar else first**2 + second**2

        parts = [bank.part for bank in modulator.interface.inputs]
        assert parts == (["amplitude", "phase"] if polar else ["in_phase", "quadrature"])
        power = modulator.measure([[1.0, 0.5, 0.0, 1.0]], [])
        assert power[0] == pytest.approx([1.0, 0.25 if polar else 1.25])
        if polar:
            # An amplitude below zero is out of range, and is driven as zero.
            assert modulator.measure([[-1.0, 0.5, 0.0, 1.0]], [])[0][0] == 0
    first, _ = tp.complex_bank("field", 2, "V", 2)
    with pytest.raises(tp.RecipeError, match="no bank with as many of the part `quadrature`"):
        tp.device(inputs=first, outputs=tp.bank("power", 2, "mW", 0, 4))(lambda x, theta: x)
    with pytest.raises(tp.RecipeError, match="above 0"):
        tp.complex_bank("field", 2, "V", -1)


def test_a_raster_has_spikes_or_none() -> None:
    @tp.device(inputs=tp.raster("in", 3, 4), outputs=tp.raster("out", 2, 4))
    def chip(x: Any, theta: Any) -> Any:
        return np.repeat(x[:, :4], 2, axis=1) * (0.5 if x[0, 11] else 1.0)

    assert chip.interface.inputs[0].steps == 4 and chip.interface.n_inputs == 12
    x = np.zeros((1, 12))
    x[0, 1] = 1
    np.testing.assert_array_equal(chip.measure(x, [])[0], [0, 0, 1, 1, 0, 0, 0, 0])
    x[0, 7] = 0.5
    with pytest.raises(tp.DataError, match="line 1 of raster `in` has the value 0.5 in step 2 of shot 0"):
        chip.measure(x, [])
    x[0, 7], x[0, 11] = 0, 1
    with pytest.raises(tp.MeasurementError, match="line 0 of raster `out` .*check what the device returns"):
        chip.measure(x, [])
    with pytest.raises(tp.RecipeError, match="number of steps"):
        tp.raster("in", 3, 0)


def test_a_spiking_chip_is_calibrated_from_its_spikes() -> None:
    chip = tp.simulate("lif_chip", lines=6, neurons=8, steps=20, seed=2, imperfections={"mismatch": 0.2})
    assert chip.interface.outputs[0].steps == 20
    fidelity = {"points": 2, "directions": 1, "repeats": 2}
    twin = tp.calibrate(chip, shots=8, twin="surrogate", test_shots=8, fidelity=fidelity, progress=False)
    x = np.zeros((2, 6 * 20))
    x[:, ::7] = 1
    readings = twin.predict(x, np.full(chip.interface.n_parameters, 0.8))
    assert set(np.unique(readings)) <= {0.0, 1.0} and readings.sum() > 0


def test_a_copy_is_the_same_device_and_only_simulated_ones_are_pickled(lab: Any) -> None:
    assert copy.deepcopy(lab) is lab and copy.copy(lab) is lab
    with pytest.raises(tp.DeviceError, match="open it again"):
        pickle.dumps(lab)
    simulated = tp.simulate("pendula", count=3, seed=4, imperfections={"mismatch": 0.1})
    again = pickle.loads(pickle.dumps(simulated))
    x, theta = np.full((2, 3), 0.3), np.zeros(simulated.interface.n_parameters)
    np.testing.assert_array_equal(again.measure(x, theta), simulated.measure(x, theta))


def _measure_in_child(device: Any, pipe: Any) -> None:
    try:
        device.measure([[0.0, 0.0, 0.0]], [1.0, 1.0])
        pipe.send("measured")
    except tp.ForkError as error:
        pipe.send(str(error))


def test_a_forked_process_is_told_to_open_its_own_device(lab: Any) -> None:
    lab.measure([[0.0, 0.0, 0.0]], [1.0, 1.0])
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_measure_in_child, args=(lab, there))
    child.start()
    assert here.poll(20) and "opened by the parent process" in here.recv()
    child.join(20)
    assert child.exitcode == 0


def test_simulated_devices_are_the_same_for_a_seed() -> None:
    def readings(seed: int) -> Any:
        device = tp.simulate("pendula", count=3, seed=seed, imperfections={"mismatch": 0.1})
        return device.measure(np.full((2, 3), 0.3), np.zeros(device.interface.n_parameters))

    np.testing.assert_array_equal(readings(1), readings(1))
    assert (readings(1) != readings(2)).any()
    with pytest.raises(tp.RecipeError, match="unknown variant `pendulum`"):
        tp.simulate("pendulum")
    with pytest.raises(tp.RecipeError, match="unknown field `cont`"):
        tp.simulate("pendula", cont=3)


def test_a_wrong_target_says_what_targets_are() -> None:
    with pytest.raises(tp.RigError, match="tcp://"):
        tp.open_device("teletype:7")
    with pytest.raises(tp.RigError, match="127.0.0.1:1"):
        tp.open_device("tcp://127.0.0.1:1")


def test_a_device_describes_itself(lab: Any) -> None:
    assert repr(lab) == "<twinprop.Device sine: 3 inputs, 2 parameters, 3 outputs, 0 shots played>"
    assert "<td>drive</td><td>3</td><td>-1 to 1 V</td>" in lab._repr_html_()

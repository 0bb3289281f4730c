"""Models of one's own learn their constants, and are judged as any twin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import twinprop as tp

QUICK: dict[str, Any] = {"shots": 400, "test_shots": 100, "seed": 2, "progress": False}


def test_constants_of_a_function_are_learned_and_its_gradient_judged(lab: Any) -> None:
    model = tp.twin(
        lambda x, theta, c: c["a"] * np.sin(x * theta[:, :1]) + c["b"] * theta[:, 1:],
        constants={"a": 1.0, "b": 0.0},
    )
    twin = tp.calibrate(lab, twin=model, **QUICK)
    assert twin.fidelity.verdict == "fit" and twin.fidelity.r2[0] > 0.9999, twin
    assert float(model.constants["a"]) == pytest.approx(0.4, abs=1e-3)
    x = np.full((4, 3), 0.3)
    y = twin.predict(x, [[1.0, 0.5], [2.0, 0.5]])
    np.testing.assert_allclose(y[2], 0.4 * np.sin(0.6) + 0.05, atol=1e-3)
    dx, dtheta = twin.vjp(x, [[1.0, 0.5], [2.0, 0.5]], np.ones((4, 3)))
    assert dx.shape == (4, 3) and dtheta.shape == (2, 2)
    np.testing.assert_allclose(dtheta[0], [2 * 3 * 0.4 * 0.3 * np.cos(0.3), 2 * 3 * 0.1], atol=3e-3)
    with pytest.raises(tp.CalibrationError, match="saved by your program"):
        twin.save("nowhere")


def test_a_wrong_gradient_is_found_unfit(lab: Any) -> None:
    model = tp.twin(
        lambda x, theta: 0.4 * np.sin(x * theta[:, :1]) + 0.1 * theta[:, 1:],
        vjp=lambda x, theta, dy: (-dy, np.zeros((len(theta), 2))),
    )
    twin = tp.calibrate(lab, twin=model, **QUICK)
    assert twin.fidelity.r2[0] > 0.999 and twin.fidelity.verdict == "unfit", twin


@pytest.mark.parametrize(
    ("predict", "error", "message"),
    [
        (lambda x, theta: x[:1], tp.MeasurementError, "function `predict`: `y` must have the shape"),
        (lambda x, theta: 1 / 0, ZeroDivisionError, "division by zero"),
        ("sine", tp.RecipeError, "predict is str"),
    ],
)
def test_faults_of_a_model_are_named(
    lab: Any, predict: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tp.calibrate(lab, twin=tp.twin(predict), **QUICK)
    lab.measure([[0.0, 0.0, 0.0]], [1.0, 1.0])


def test_a_function_may_compute_with_a_twin_on_one_thread() -> None:
    text = """
import numpy as np, twinprop as tp
inner = tp.simulate("pendula", count=3, seed=1)
helper = tp.calibrate(inner, twin="physics", shots=20, test_shots=60, progress=False)
theta = np.zeros(inner.interface.n_parameters)
@tp.device(inputs=tp.bank("x", 3, "V", -0.5, 0.5), outputs=tp.bank("y", 3, "V", -9, 9))
def lab(x, _):
    return np.clip(helper.predict(x, theta), -9, 9)
tp.calibrate(lab, shots=300, test_shots=60, twin={"neural": {"width": 16}}, progress=False)
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60,
        env={**os.environ, "RAYON_NUM_THREADS": "1"},
    )
    assert done.stdout == "ended\n", done


@pytest.mark.optional
def test_a_torch_module_is_a_twin(lab: Any) -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(1.0))
            self.b = torch.nn.Parameter(torch.tensor(0.0))

        def forward(self, x: Any, theta: Any) -> Any:
            return self.a * torch.sin(x * theta[:, :1]) + self.b * theta[:, 1:]

    model = Model()
    twin = tp.calibrate(lab, twin=tp.twin(model), **{**QUICK, "shots": 2000})
    assert twin.fidelity.verdict == "fit" and float(model.a.detach()) == pytest.approx(0.4, abs=0.01), twin

    from twinprop.torch import PhysicalModule

    layer = PhysicalModule(lab, twin, shots=2)
    layer(torch.zeros(3, 6)).sum().backward()
    assert layer.theta.grad is not None and layer.theta.grad.abs().max() > 0
def test_central_differences_step_by_the_range_that_was_driven() -> None:
    """A laser at 1550 nm that is tuned by 1 pm: a step by its value would leave the range."""
    middle, half = 1550.0, 1e-3

    @tp.device(inputs=tp.bank("wavelength", 1, "nm", middle - half, middle + half),
               outputs=tp.bank("power", 1, "1", -2, 2))
    def laser(x: Any, theta: Any) -> Any:
        return np.sin(np.pi * (x.astype(np.float64) - middle) / half)

    model = tp.twin(lambda x, theta: np.sin(np.pi * (x - middle) / half))
    tp.calibrate(laser, twin=model, **QUICK)
    x = np.full((1, 1), middle, np.float32)
    dx, _ = model.vjp(x, np.zeros((1, 0), np.float32), np.ones((1, 1), np.float32))
    assert float(np.asarray(dx)[0, 0]) == pytest.approx(np.pi / half, rel=1e-3)


@pytest.mark.optional
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y: y[:, :1], tp.ShapeError, r"readings of the shape \(40, 1\), and \(40, 3\) is expected"),
        (lambda y: y * float("nan"), tp.DivergedError, "NaN or infinity with the parameters"),
        (lambda y: y.detach(), tp.DataError, "without a gradient"),
        (lambda y: y.detach().numpy(), tp.DataError, "returns ndarray"),
        (lambda y: y * 1j, tp.DataError, "returns torch.complex64"),
    ],
)
def test_faults_of_a_torch_module_are_named(
    lab: Any, change: Any, error: type[Exception], message: str
) -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(1.0))

        def forward(self, x: Any, theta: Any) -> Any:
            return change(self.a * x)

    with pytest.raises(error, match=message):
        tp.calibrate(lab, twin=tp.twin(Model()), **QUICK)


@pytest.mark.optional
def test_a_torch_module_in_double_precision_is_a_twin(lab: Any) -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(0.4, dtype=torch.float64))

        def forward(self, x: Any, theta: Any) -> Any:
            return self.a * torch.sin(x * theta[:, :1]) + 0.1 * theta[:, 1:]

    model = Model()
    twin = tp.calibrate(lab, twin=tp.twin(model), fit={"epochs": 2}, **QUICK)
    assert twin.fidelity.verdict == "fit" and not model.training, twin


def test_readings_of_a_model_that_are_nan_are_named(lab: Any) -> None:
    with pytest.raises(tp.DataError, match="the twin's readings are NaN or infinite"):
        tp.calibrate(lab, twin=tp.twin(lambda x, theta: np.where(x > 0.5, np.nan, x)), **QUICK)


@pytest.mark.optional
def test_a_torch_module_with_complex_parameters_is_a_twin(lab: Any) -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(0.4 + 0.0j))

        def forward(self, x: Any, theta: Any) -> Any:
            return (self.a * torch.sin(x * theta[:, :1])).real + 0.1 * theta[:, 1:]

    twin = tp.calibrate(lab, twin=tp.twin(Model()), fit={"epochs": 2}, **QUICK)
    assert twin.fidelity.verdict == "fit", twin

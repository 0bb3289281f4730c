"""Types that a checker finds for the package's calls; `mypy --strict` reads this file, and nothing executes it."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray

import twinprop as tp
from twinprop.sklearn import PhysicalClassifier
from twinprop.torch import PhysicalModule

Floats = NDArray[np.float32]


@tp.device(
    inputs=tp.bank("drive", 3, "V", -1, 1),
    parameters=tp.bank("knob", 2, "V", 0, 2),
    outputs=tp.bank("reading", 3, "V", -1, 1),
)
def lab(x: Floats, theta: Floats) -> NDArray[np.float64]:
    return np.zeros((len(x), 3))


@lab.safe
def off() -> None:
    pass


def devices(x: Floats, theta: Floats) -> None:
    assert_type(lab.measure(x, theta), Floats)
    assert_type(lab.shots, int)
    assert_type(tp.simulate("pendula", count=3), tp.Device)
    assert_type(tp.open_device("tcp://bench:5000"), tp.Device)


def twins(x: Floats, theta: Floats, model: torch.nn.Module) -> None:
    twin = tp.calibrate(lab, shots=2000, twin="neural")
    assert_type(twin, tp.Twin)
    assert_type(twin.predict(x, theta), Floats)
    assert_type(twin.vjp(x, theta, x), tuple[Floats, Floats])
    assert_type(twin.fidelity.cosine, tuple[float, float, float])
    assert_type(tp.load_twin("folder"), tp.Twin)
    own = tp.twin(lambda x, theta: x)
    tp.calibrate(lab, twin=own)
    tp.calibrate(lab, twin=tp.twin(model))


def loss(outputs: Floats, y: Any) -> tuple[float, Floats]:
    return float(np.mean(outputs)), np.full_like(outputs, 1 / outputs.size)


def training(x: Floats, y: NDArray[np.int64]) -> None:
    network = tp.Network("encode", tp.Physical(lab, shots=4), "readout")
    run = tp.train(network, x, y, loss=loss, on_epoch=lambda epoch: epoch.test_score > 0.9)
    assert_type(run, tp.Run)
    assert_type(run.history[-1], tp.Epoch)
    assert_type(run.history["test_score"], NDArray[np.float64])
    assert_type(run.parameters, dict[str, Floats])
    assert_type(run.predict_proba(x), Floats)
    assert_type(tp.load("runs/1", devices=lab).recalibrate(1000), tp.Run)
    assert_type(tp.resume("runs/1", devices={"lab": lab}), tp.Run)
    assert_type(tp.run({"network": []}, devices="tcp://bench:5000"), tp.Run)


def frameworks(twin: tp.Twin, x: Floats, y: NDArray[np.str_]) -> None:
    layer = PhysicalModule(lab, twin, shots=4)
    assert_type(layer.penalty(), torch.Tensor)
    assert_type(layer.theta, torch.nn.Parameter)
    PhysicalClassifier(lab, epochs=3).fit(x, y).predict(x)


def wrong() -> None:
    lab.measure(1)  # type: ignore[call-arg]
    tp.calibrate("lab")  # type: ignore[arg-type]
    tp.train(lab, [], [])  # type: ignore[arg-type]

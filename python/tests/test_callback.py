"""Functions are called on the thread that asks, and a call costs microseconds."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import twinprop as tp


def test_functions_are_called_on_the_thread_that_asks(tmp_path: Path) -> None:
    called: dict[str, set[int]] = {"device": set(), "loss": set(), "epoch": set(), "progress": set()}

    def note(what: str) -> None:
        called[what].add(threading.get_ident())

    @tp.device(inputs=tp.bank("x", 2, "V", -1, 1), parameters=tp.bank("p", 2, "V", -1, 1),
               outputs=tp.bank("y", 2, "V", -2, 2))
    def lab(x: Any, theta: Any) -> Any:
        note("device")
        return np.sin(x + theta)

    def loss(outputs: Any, y: Any) -> tuple[float, Any]:
        note("loss")
        return float((outputs**2).mean()), 2 * outputs / outputs.size

    x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    tp.train(
        tp.Network("encode", tp.Physical(lab, twin={"neural": {"width": 8}}, shots=2), "scale", "readout"),
        x, x.sum(1) > 0, loss=loss, epochs=2, calibration_shots=300, out=tmp_path / "run",
        set={"calibration.require": "none"}, on_epoch=lambda _: note("epoch"), progress=lambda *_: note("progress"),
    )
    assert called == {what: {threading.get_ident()} for what in called}


def test_a_call_costs_at_most_fifty_microseconds() -> None:
    readings = np.zeros((1, 2), np.float32)

    @tp.device(inputs=tp.bank("x", 2, "V", -1, 1), parameters=tp.bank("p", 2, "V", -1, 1),
               outputs=tp.bank("y", 2, "V", -2, 2))
    def lab(x: Any, theta: Any) -> Any:
        return readings

    x, theta = np.zeros((1, 2), np.float32), np.zeros(2, np.float32)
    seconds = []
    for _ in range(5000):
        start = time.perf_counter()
        lab.measure(x, theta)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 50e-6, statistics.median(seconds)

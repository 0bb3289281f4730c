"""Figures of trainings and twins, as notebooks show them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .charts import COLOURS, Axis, Curve, Panel, draw

__all__ = ["Figure", "fidelity_figure", "history_figure", "in_words"]

LIMITS = {"fit": 0.8, "usable": 0.5}
"""Smallest lower end of the gradient cosine for each verdict, as in `calibration/src/fidelity/mod.rs`."""


class Figure:
    """A figure as SVG. Notebooks show it."""

    def __init__(self, svg: str) -> None:
        self._svg = svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the SVG to the file `path`."""
        Path(path).write_text(self._svg, encoding="utf-8")

    def __str__(self) -> str:
        return self._svg

    def _repr_svg_(self) -> str:
        return self._svg

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # JupyterLab prefers the HTML, with text in its own colour; it would show the SVG black on white.
        return {"text/html": self._svg, "image/svg+xml": self._svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return "<twinprop.Figure>"


def history_figure(columns: Mapping[str, Sequence[float]]) -> Figure:
    """Loss and score after each epoch. `columns` are those of a `History`, each `(epochs,)`."""
    epochs = list(columns.get("epoch", range(1, 1 + len(columns["test_score"]))))
    x = Axis.of("epoch", epochs, is_whole=True)

    def panel(title: str, label: str, training: str, test: str, is_share: bool = False) -> Panel:
        scale = 100.0 if is_share else 1.0
        curves = [
            Curve(name, epochs, [scale * value for value in columns[column]], colour)
            for name, column, colour in zip(("training", "test"), (training, test), COLOURS)
            if column in columns
        ]
        values = (value for curve in curves for value in curve.y)
        return Panel(title, x, Axis.of(label, values, (0, 100) if is_share else None), curves)

    if "test_r2" in columns:
        score = panel("R²", "R²", "train_r2", "test_score")
    else:
        score = panel("Accuracy", "accuracy (%)", "train_accuracy", "test_score", is_share=True)
    loss = panel("Loss", "loss", "train_loss", "test_loss")
    return Figure(draw("Loss and score by epoch", [loss, score]))


Estimate = tuple[float, float, float]


def estimate_of(found: Mapping[str, Any]) -> Estimate:
    """Value, lower and upper end; NaN where they are unknown."""
    ends = [math.nan if found[key] is None else float(found[key]) for key in ("value", "low", "high")]
    value, low, high = ends if all(abs(end) < 1e30 for end in ends) else [math.nan] * 3
    return value, low, high


def in_words(found: Mapping[str, Any]) -> str:
    """An estimate and its interval, such as `0.980, 99 % interval 0.970 to 0.990`."""
    value, low, high = estimate_of(found)
    return f"{value:.3f}, 99 % interval {low:.3f} to {high:.3f}" if math.isfinite(value) else "unknown"


def _with_intervals(
    name: str, x: Sequence[float], estimates: Sequence[Estimate], colour: str, is_line: bool = False
) -> Curve:
    values, lows, highs = ([estimate[part] for estimate in estimates] for part in range(3))
    return Curve(name, x, values, colour, (lows, highs), is_line)


def fidelity_figure(fidelity: Mapping[str, Any]) -> Figure:
    """How well a twin agrees with its device. `fidelity` is a twin's part of a run's `calibration.json`."""
    panels = [_gradients(fidelity), _readings(fidelity)]
    if "by_range" in fidelity:
        panels.append(_ranges(fidelity["by_range"]))
    return Figure(draw("Agreement of the twin with the device", panels))


def _gradients(fidelity: Mapping[str, Any]) -> Panel:
    """The gradient cosine, of all drives and of each bank."""
    groups = fidelity.get("by_group", [])
    names = ["all", *(group["group"] for group in groups)]
    found = [fidelity["gradient"], *(group["gradient"] for group in groups)]
    estimates = [estimate_of(gradient["cosine"]) for gradient in found]
    y = Axis.of("cosine", (end for estimate in estimates for end in estimate[1:]), (0, 1))
    rows = Axis.of_names(names)
    limits = [
        Curve(f"{word} ≥ {limit:g}", [rows.low, rows.high], [limit, limit], None)
        for word, limit in LIMITS.items()
    ]
    cosines = _with_intervals("99 % interval", [-row for row in range(len(names))], estimates, COLOURS[0])
    return Panel("Gradient: twin and device", rows, y, [cosines, *limits], is_flipped=True)


def _readings(fidelity: Mapping[str, Any]) -> Panel:
    """R² of the readings, of each output channel and of all."""
    channels = [estimate_of(readings["r2"]) for readings in fidelity.get("by_channel", [])]
    together = estimate_of(fidelity["readings"]["r2"])
    x = Axis.of("output channel", [], (-0.5, max(1, len(channels)) - 0.5), is_whole=True)
    y = Axis.of("R²", (end for estimate in [*channels, together] for end in estimate[1:]))
    curves = [
        _with_intervals("all channels", [x.low, x.high], [together, together], COLOURS[1], is_line=True),
        _with_intervals("99 % interval", range(len(channels)), channels, COLOURS[0]),
    ]
    return Panel("Readings: twin and device", x, y, curves)


def _ranges(by_range: Mapping[str, Any]) -> Panel:
    """NRMSE of the readings by the position of a drive in its range, from 0 to 1."""
    curves = []
    kinds = (("inputs", "an input"), ("parameters", "a parameter"))
    for (key, name), colour in zip(kinds, COLOURS):
        errors = [math.nan if error is None else float(error) for error in by_range.get(key) or []]
        places = [(part + 0.5) / len(errors) for part in range(len(errors))]
        curves.append(Curve(name, places, errors, colour))
    x = Axis.of("position in the range", [], (0, 1))
    y = Axis.of("NRMSE, mean over channels", (error for curve in curves for error in curve.y))
    return Panel("Error by position of the drive", x, y, curves)

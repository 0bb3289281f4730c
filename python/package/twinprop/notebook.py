"""HTML that notebooks show for runs and twins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .plots import fidelity_figure, in_words

if TYPE_CHECKING:
    from .calibration import Fidelity, Twin
    from .runs import Run

__all__ = ["fidelity_html", "run_html", "twin_html"]

WEAK = 3
"""Largest number of ranges that are named as the twin's weakest."""


def run_html(run: Run) -> str:
    """The result of a run, a link to its report, and a figure of its history."""
    summary = run.summary
    history = run.history
    rows = [("folder", escape(str(run.folder)))]
    if "rule" in summary:
        rows.append(("rule", escape(str(summary["rule"]))))
    rows.append(("epochs", str(len(history))))
    if history:
        name, form = ("test R²", ".4f") if "test_r2" in history[-1] else ("test accuracy", ".2%")
        scores = [epoch.test_score for epoch in history]
        best = max((score for score in scores if score == score), default=math.nan)
        rows.append((name, f"{scores[-1]:{form}} (best epoch: {best:{form}})"))
        rows.append(("device shots", f"{history[-1].get('device_shots', 0):,}"))
    if run.report.exists():
        rows.append(("report", f'<a href="{escape(_address(run.report))}">{escape(run.report.name)}</a>'))
    return _table(rows) + (str(history.plot()) if history else "")


def twin_html(twin: Twin) -> str:
    """The device of a twin, and how well they agree."""
    i = twin.interface
    channels = f"{i.n_inputs} inputs, {i.n_parameters} parameters, {i.n_outputs} outputs"
    return fidelity_html(twin.fidelity, [("twin of", escape(i.device)), ("channels", channels)])


def fidelity_html(fidelity: Fidelity, above: Iterable[tuple[str, str]] = ()) -> str:
    """How well a twin and its device agree, in a table and as a figure; the rows `above` come first."""
    values = fidelity.values
    estimates = {
        "gradient cosine": values["gradient"]["cosine"],
        "gradient length, twin ÷ device": values["gradient"]["length"],
        "R² of readings": values["readings"]["r2"],
        "NRMSE of readings": values["readings"]["nrmse"],
    }
    rows = [*above, ("verdict", escape(fidelity.verdict))]
    rows += [(name, in_words(found)) for name, found in estimates.items()]
    weak = values.get("by_range", {}).get("weak", [])
    for place in weak[:WEAK]:
        drives = f"{escape(place['channel'])} from {place['from']:.4g} to {place['to']:.4g}"
        rows.append(("weak range", f"{drives}: NRMSE {place['nrmse']:.3f}"))
    return _table(rows) + str(fidelity_figure(values))


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Names, and values that are HTML, in two columns."""
    cell = 'style="text-align:left"'
    lines = (f"<tr><th {cell}>{escape(name)}</th><td {cell}>{value}</td></tr>" for name, value in rows)
    return f"<table>{''.join(lines)}</table>"


def _address(path: Path) -> str:
    """A link to `path`, relative if it is in the working folder, which is the notebook's in most cases."""
    path, here = path.resolve(), Path.cwd()
    return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()

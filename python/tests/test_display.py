"""Notebooks show figures, tables and progress, without the network."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import types
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinprop as tp
from twinprop.charts import Axis
from twinprop.history import Epoch, History
from twinprop.notebook import run_html
from twinprop.plots import Figure, fidelity_figure
from twinprop.progress import Progress

SVG = "{http://www.w3.org/2000/svg}"


def epochs(count: int) -> list[dict[str, Any]]:
    return [
        {
            "epoch": n, "train_loss": 1 / n, "train_accuracy": 1 - 0.5 / n, "test_loss": 1.5 / n,
            "test_accuracy": 1 - 0.6 / n, "device_shots": 100 * n, "parameters": {"1.scale.offset": 0.1},
        }
        for n in range(1, count + 1)
    ]


def curves(figure: Figure | str) -> list[ET.Element]:
    """The groups of the curves, in their order; the figure is checked to load nothing."""
    svg = str(figure)
    without = svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in without and "url(" not in without and "<script" not in without
    root = ET.fromstring(svg)
    title = root.find(f"{SVG}title")
    assert title is not None and title.text and root.get("role") == "img"
    assert "nan" not in re.sub(r"<title>.*?</title>", "", svg)
    return [group for group in root.iter(f"{SVG}g") if "data-curve" in group.attrib]


def dots(group: ET.Element) -> int:
    return len(group.findall(f"{SVG}circle"))


def steps(group: ET.Element) -> str:
    """The letters of the group's line: M begins a part, L continues it."""
    return "".join(re.findall("[ML]", group.findall(f"{SVG}path")[0].get("d", "")))


def test_a_history_has_epochs_parts_and_columns() -> None:
    rows = epochs(4)
    del rows[1]["test_loss"]
    rows[2]["test_loss"] = None
    history = History(rows)
    assert isinstance(history[3], Epoch) and history[-1].train_loss == 0.25 and history[3]["epoch"] == 4
    assert len(history) == 4 and [epoch.epoch for epoch in history[1:3]] == [2, 3]
    assert isinstance(history[1:], History) and history == History(rows) and history == rows
    assert history["train_loss"].dtype == np.float64 and history["train_loss"].shape == (4,)
    np.testing.assert_array_equal(history["test_loss"], [1.5, math.nan, math.nan, 0.375])
    np.testing.assert_array_equal(history["test_score"], history["test_accuracy"])
    assert history.columns == (*(key for key in rows[0] if key != "parameters"), "test_score")
    assert repr(history) == "<twinprop.History: 4 epochs, test score 0.8500>"
    for key in ("parameters", "loss"):
        with pytest.raises(KeyError, match=f"no column `{key}`; it has epoch, train_loss, .*test_score"):
            history[key]
    assert History()["test_score"].shape == (0,) and repr(History()) == "<twinprop.History: 0 epochs>"
    assert math.isnan(Epoch(test_accuracy=None).test_score)


def test_tables_for_pandas_and_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = epochs(3)
    rows[1]["test_loss"] = None
    history = History(rows)
    frame, polar = history.to_pandas(), history.to_polars()
    assert tuple(frame.columns) == tuple(polar.columns) == history.columns
    assert frame["epoch"].dtype == np.int64 and polar["epoch"].dtype == polars.Int64
    assert frame["test_loss"].isna().tolist() == [False, True, False] and polar["test_loss"].null_count() == 1
    assert isinstance(History().to_pandas(), pandas.DataFrame)
    assert "parameters" in pandas.DataFrame(history)
    for package in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=f"pip install {package}"):
            getattr(history, f"to_{package}")()


def test_a_history_is_drawn_with_all_its_epochs(tmp_path: Path) -> None:
    figure = History(epochs(12)).plot()
    drawn = curves(figure)
    assert [group.get("data-curve") for group in drawn] == ["training", "test", "training", "test"]
    assert [dots(group) for group in drawn] == [12] * 4
    assert [steps(group) for group in drawn] == ["M" + 11 * "L"] * 4
    tips = [tip.text for tip in drawn[3].iter(f"{SVG}title")]
    assert tips[0] == "epoch 1: 40" and tips[-1] == "epoch 12: 95"
    assert "accuracy (%)" in str(figure)

    figure.save(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text(encoding="utf-8") == str(figure) == figure._repr_svg_()
    shown = figure._repr_mimebundle_()
    assert shown["image/svg+xml"] == shown["text/html"] == History(epochs(12))._repr_html_()
    assert shown["text/plain"] == "<twinprop.Figure>"

    long = curves(History(epochs(100)).plot())
    assert [dots(group) for group in long] == [0] * 4 and steps(long[0]) == "M" + 99 * "L"
    values = curves(History([{"epoch": 1, "train_loss": 1.0, "test_r2": 0.5}]).plot())
    assert [group.get("data-curve") for group in values] == ["training", "test"]
    assert "no values" in str(History().plot()) and [dots(group) for group in curves(History().plot())] == [0]


def test_epochs_without_a_number_leave_gaps() -> None:
    rows = epochs(60)
    for place, value in ((3, None), (5, math.nan), (10, math.inf)):
        rows[place]["test_loss"] = value
    test = curves(History(rows).plot())[1]
    assert steps(test) == "MLL" + "M" + "MLLL" + "M" + 48 * "L"
    assert dots(test) == 1, "epoch 5 has no neighbours"


@pytest.mark.parametrize(
    ("low", "high", "whole", "labels"),
    [
        (0, 1, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.7, 3.3, True, ["1", "2", "3"]),
        (0, 100, False, ["0", "20", "40", "60", "80", "100"]),
        (-0.31, 0.9, False, ["−0.2", "0.0", "0.2", "0.4", "0.6", "0.8"]),
        (0, 4.1e-6, False, ["0", "1e−06", "2e−06", "3e−06", "4e−06"]),
        (0, 2.1e7, False, ["0", "5.0e+06", "1.0e+07", "1.5e+07", "2.0e+07"]),
    ],
)
def test_ticks_are_at_round_numbers(low: float, high: float, whole: bool, labels: list[str]) -> None:
    assert [label for _, label in Axis.of("", [], (low, high), whole).ticks] == labels


@pytest.fixture(scope="module")
def twin() -> tp.Twin:
    pendula = tp.simulate("pendula", count=3, seed=1, imperfections={"mismatch": 0.1})
    return tp.calibrate(pendula, shots=2000, test_shots=200, twin="neural", progress=False)


def test_a_twins_fidelity_is_drawn(twin: tp.Twin) -> None:
    drawn = {str(group.get("data-curve")): group for group in curves(twin.fidelity.plot())}
    assert list(drawn) == [
        "99 % interval", "fit ≥ 0.8", "usable ≥ 0.5", "all channels", "an input", "a parameter",
    ]
    first, channels = [g for g in curves(twin.fidelity.plot()) if g.get("data-curve") == "99 % interval"]
    assert dots(first) == len(first.findall(f"{SVG}path")) == 1 + len(twin.fidelity.values["by_group"])
    assert dots(channels) == len(channels.findall(f"{SVG}path")) == 3
    assert dots(drawn["an input"]) == dots(drawn["a parameter"]) == 5
    assert "parameter coupling" in str(twin.fidelity.plot())


def test_unknown_values_of_a_fidelity_are_left_out(twin: tp.Twin) -> None:
    values = json.loads(json.dumps(twin.fidelity.values))
    values["by_channel"][1]["r2"] = {"value": 0.0, "low": -3.4028235e38, "high": 3.4028235e38}
    values["by_range"]["parameters"] = [None] * 5
    values["by_group"][0]["group"] = "<b>&"
    drawn = curves(fidelity_figure(values))
    assert [dots(group) for group in drawn] == [4, 0, 0, 0, 2, 5, 0]
    assert "<b>" not in str(fidelity_figure(values)) and "&lt;b&gt;&amp;" in str(fidelity_figure(values))
    for absent in ("by_group", "by_range", "by_channel"):
        del values[absent]
    assert [dots(group) for group in curves(fidelity_figure(values))] == [1, 0, 0, 0, 0]


def parsed(html: str) -> ET.Element:
    return ET.fromstring(f"<div>{html}</div>")


def test_html_escapes_names(twin: tp.Twin, tmp_path: Path) -> None:
    @tp.device(
        inputs=tp.bank("<i>drive</i>", 1, "<V>", -1, 1), outputs=tp.bank("reading", 1, "V", -2, 2),
        name="a<b>&c",
    )
    def lab(x: Any, theta: Any) -> Any:
        return x

    device = lab._repr_html_()
    assert "<i>" not in device and "<V>" not in device and "a&lt;b&gt;&amp;c" in device
    table = parsed(device)
    assert table.find(".//caption") is not None

    named = tp.Twin()
    named.interface, named.fidelity = lab.interface, twin.fidelity
    shown = named._repr_html_()
    parsed(shown)
    assert shown.count("<table>") == 1
    assert "a&lt;b&gt;&amp;c" in shown and "0.8" in shown and shown.count("<svg") == 1
    assert str(twin.fidelity.plot()) in shown and str(twin.fidelity.plot()) in twin.fidelity._repr_html_()
    assert twin.fidelity.verdict in shown

    folder = tmp_path / "<i>run & more"
    folder.mkdir()
    run = tp.Run(folder)
    assert "<i>" not in run_html(run) and "&lt;i&gt;run &amp; more" in run_html(run)
    parsed(run_html(run))


def test_a_runs_html_has_its_score_its_plot_and_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "first run"
    folder.mkdir()
    lines = (json.dumps(epoch) + "\n" for epoch in epochs(6))
    (folder / "metrics.jsonl").write_text("".join(lines))
    (folder / "summary.json").write_text('{"rule": "pat"}')
    (folder / "report.html").write_text("")
    monkeypatch.chdir(tmp_path)
    html = run_html(tp.Run(folder))
    words = " ".join(text.strip() for text in parsed(html).itertext())
    assert "rule pat epochs 6 test accuracy 90.00% (best epoch: 90.00%) device shots 600" in words
    assert 'href="first%20run/report.html"' in html and html.count("<svg") == 1
    monkeypatch.chdir(Path(sys.prefix))
    assert f'href="{(folder / "report.html").as_uri()}"' in run_html(tp.Run(folder))


class FakeDisplay:
    """`IPython.display.display`, and the handle that it returns."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.outputs = 0

    def __call__(self, shown: dict[str, str], *, raw: bool, display_id: bool) -> FakeDisplay:
        assert raw and display_id
        self.outputs += 1
        self.shown.append(shown)
        return self

    def update(self, shown: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(shown)


def fake_ipython(monkeypatch: pytest.MonkeyPatch, shell: object) -> FakeDisplay:
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    fake = FakeDisplay()
    monkeypatch.setattr(ipython, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr(display, "display", fake, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, as the only element."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_notebook_has_one_output_that_is_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    fake = fake_ipython(monkeypatch, types.SimpleNamespace(kernel=object()))
    with pytest.raises(KeyboardInterrupt), Progress.of(True) as shown:
        shown("fit <the twin>", 0, 400)
        shown("fit <the twin>", 1, 400)
        clock[0] += 10
        shown("fit <the twin>", 100, 400)
        shown("judge", 3, 0)
        raise KeyboardInterrupt
    assert fake.outputs == 1 and len(fake.shown) == 4, "the second call comes too soon"
    page = parsed(fake.shown[1]["text/html"])
    bar = page.find(".//progress")
    assert bar is not None and bar.attrib == {"value": "100", "max": "400"}
    assert fake.shown[1]["text/plain"] == "fit <the twin>: 100/400, about 30 s left"
    assert "value" not in fake.shown[2]["text/html"] and fake.shown[2]["text/plain"] == "judge"
    assert fake.shown[3] == {"text/html": "", "text/plain": ""}
    assert capsys.readouterr().err == ""


def test_calibration_shows_progress_in_a_notebook(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_ipython(monkeypatch, types.SimpleNamespace(kernel=object()))
    tp.calibrate(lab, shots=1000, test_shots=200)
    words = " ".join(shown["text/plain"] for shown in fake.shown)
    assert fake.outputs == 1 and "measure shots: " in words and "judge the twin: " in words
    assert fake.shown[-1]["text/html"] == ""


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
def test_ipython_without_a_kernel_has_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: object
) -> None:
    fake = fake_ipython(monkeypatch, shell)
    with Progress.of(True) as shown:
        shown("fit", 1, 4)
        shown("fit", 2, 4)
        shown("judge", 1, 4)
    assert capsys.readouterr().err == "fit …\njudge …\n" and not fake.shown
    with Progress.of(False) as shown:
        shown("fit", 1, 4)
    calls: list[tuple[str, int, int]] = []
    with Progress.of(lambda *call: calls.append(call)) as shown:
        shown("fit", 1, 4)
    assert capsys.readouterr().err == "" and calls == [("fit", 1, 4)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress.of(True) as shown:
        for done, left in (
            (0, ""), (10, ", about 17 min left"), (900, ", about 3 s left"), (1000, ""), (5, ""),
        ):
            before = len(terminal.getvalue())
            shown("train", done, 1000)
            line = terminal.getvalue()[before:]
            assert line.startswith(f"\rtrain: {done}/1000{left}"), line
            clock[0] += 10
    assert terminal.getvalue().endswith("\r") and "\n" not in terminal.getvalue()


def test_the_live_view_is_a_frame_of_this_computer(tmp_path: Path) -> None:
    with tp.live(tmp_path, height=500) as view:
        assert view.url.startswith("http://127.0.0.1:")
        html = view._repr_html_()
        assert f'src="{view.url}"' in html and 'height="500"' in html
        with urllib.request.urlopen(view.url) as page:
            assert b"EventSource" in page.read()
    assert view._server.returncode is not None, "it has ended"
    with pytest.raises(tp.RecipeError, match="is not a folder"):
        tp.live(tmp_path / "none")

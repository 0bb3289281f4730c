"""Charts as SVG text: title above, legend below, nothing over the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["COLOURS", "Axis", "Curve", "Panel", "draw"]

WIDTH = 350
"""Width of a panel, in pixels."""
HEIGHT = 210
"""Height between the title and the horizontal axis of a panel, in pixels."""
TOP = 32
"""Height of a panel's title, in pixels."""
BOTTOM = 48
"""Height of the ticks and the label of a horizontal axis, in pixels."""
ROW = 20
"""Height of a row of a legend, in pixels."""
LETTER = 6.3
"""Width of a letter, in pixels, on average."""
LETTERS = 22
"""Largest number of letters of a tick."""
MARKED = 40
"""Largest number of points that a line shows as dots."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, distinguishable with any colour vision. The reports use it too."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Points of one colour. NaN and infinity leave gaps."""

    name: str
    """Its name in the legend."""
    x: Sequence[float]
    """Positions of its points."""
    y: Sequence[float]
    """Values of its points."""
    colour: str | None
    """Its colour; `None` for a limit of other values, a dashed line in the colour of the text."""
    interval: tuple[Sequence[float], Sequence[float]] | None = None
    """Lower and upper ends of the values' intervals."""
    is_line: bool = True
    """Whether its points are connected."""


@dataclass(frozen=True)
class Axis:
    """A range of values, with ticks."""

    label: str
    """Name and unit of the values."""
    low: float
    """Lower end of the range."""
    high: float
    """Upper end of the range."""
    ticks: Sequence[tuple[float, str]]
    """Values that are labelled, with their labels."""

    @staticmethod
    def of(
        label: str, values: Iterable[float], least: Point | None = None, is_whole: bool = False
    ) -> Axis:
        """An axis for the finite `values`.

        With `least`, it shows this range and the values; otherwise the values and a margin. With `is_whole`, all
        ticks are integers.
        """
        finite = [value for value in values if math.isfinite(value)]
        if least is not None:
            low, high = min([least[0], *finite]), max([least[1], *finite])
        else:
            low, high = min(finite, default=0.0), max(finite, default=1.0)
            size = max(abs(low), abs(high))
            margin = 0.03 * (high - low)
            if margin <= 1e-9 * size:  # All values are the same.
                margin = 0.01 * size or 1.0
            margin = max(margin, 0.3) if is_whole else margin
            low, high = low - margin, high + margin
        return Axis(label, low, high, _ticks(low, high, is_whole))

    @staticmethod
    def of_names(names: Sequence[str]) -> Axis:
        """A vertical axis with `names` at 0, −1, −2, …, from top to bottom."""
        return Axis("", 0.5 - len(names), 0.5, [(-place, name) for place, name in enumerate(names)])

    def pixel(self, value: float, start: float, end: float) -> float:
        """Position of `value` on an axis drawn from `start` to `end`, in pixels."""
        return start + (value - self.low) / (self.high - self.low) * (end - start)


@dataclass(frozen=True)
class Panel:
    """A pair of axes with its curves."""

    title: str
    """Its title."""
    x: Axis
    """The axis of the positions."""
    y: Axis
    """The axis of the values."""
    curves: Sequence[Curve]
    """Its curves."""
    is_flipped: bool = False
    """Whether `x` is the vertical axis, which has more room for names."""


def draw(title: str, panels: Sequence[Panel]) -> str:
    """SVG of the `panels` side by side; screen readers read the `title`."""
    width = WIDTH * len(panels)
    height = TOP + HEIGHT + BOTTOM + ROW * max(len(_rows(panel.curves)) for panel in panels) + 4
    drawn = "".join(
        f'<g transform="translate({WIDTH * place} 0)">{_panel(panel)}</g>'
        for place, panel in enumerate(panels)
    )
    # In a page, `currentColor` is the page's. As a picture or a file, the figure is black on white.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" style="max-width:100%;height:auto" font-family="sans-serif" font-size="12" '
        f'fill="currentColor"><title>{escape(title)}</title>'
        f'<style>svg:root{{color:#000;background:#fff}}</style>{drawn}</svg>'
    )


def _panel(panel: Panel) -> str:
    across, up = (panel.y, panel.x) if panel.is_flipped else (panel.x, panel.y)
    left = LETTER * max((len(_short(text)) for _, text in up.ticks), default=0) + (38 if up.label else 20)
    right, bottom = WIDTH - 14, TOP + HEIGHT
    middle, half = (left + right) / 2, TOP + HEIGHT / 2

    def at(x: float, y: float) -> Point:
        if panel.is_flipped:
            x, y = y, x
        return across.pixel(x, left, right), up.pixel(y, bottom, TOP)

    parts = [_text(middle, 20, panel.title, 'font-size="14"')]
    for value, text in across.ticks:
        place = across.pixel(value, left, right)
        parts.append(_line((place, TOP), (place, bottom), 0.15) + _text(place, bottom + 16, text))
    for value, text in up.ticks:
        place = up.pixel(value, bottom, TOP)
        parts.append(_line((left, place), (right, place), 0.15))
        parts.append(_text(left - 6, place + 4, text, anchor="end"))
    parts.append(_line((left, TOP), (left, bottom), 0.7) + _line((left, bottom), (right, bottom), 0.7))
    parts.append(_text(middle, bottom + 36, across.label))
    if up.label:
        parts.append(_text(16, half, up.label, f'transform="rotate(-90 16 {half:g})"'))
    if not any(math.isfinite(value) for curve in panel.curves for value in curve.y):
        parts.append(_text(middle, half, "no values"))

    names = dict(panel.x.ticks) if panel.is_flipped else {}
    for curve in panel.curves:
        points = [at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
        ends = [[at(*point) for point in zip(curve.x, end, strict=True)] for end in curve.interval or ()]
        drawn = _interval(curve, ends)
        if curve.is_line:
            drawn += _path(points)
        for place, (point, x, y) in enumerate(zip(points, curve.x, curve.y)):
            if _is_dot(curve, place):
                words = f"{names.get(x) or f'{panel.x.label} {x:g}'}: {y:.4g}"
                drawn += _dot(point, 3.5 if not curve.is_line else 2.5, words)
        parts.append(f'<g data-curve="{escape(curve.name)}" {_style(curve)}>{drawn}</g>')
    for row, entries in enumerate(_rows(panel.curves)):
        y = bottom + BOTTOM + ROW * row + ROW / 2
        for x, curve in entries:
            mark = _path([(x, y), (x + 22, y)]) if curve.is_line else _dot((x + 11, y), 3.5)
            name = _text(x + 28, y + 4, curve.name, anchor="start")
            parts.append(f"<g {_style(curve)}>{mark}</g>{name}")
    return "".join(parts)


def _ticks(low: float, high: float, is_whole: bool) -> list[tuple[float, str]]:
    """Three to eight multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    least = max((high - low) / 7, 1.0 if is_whole else 0.0)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    values = [count * step for count in range(first, last + 1)]
    size = max(map(abs, values), default=0.0)
    place = math.floor(math.log10(step) + 1e-9)
    if size >= 1e6 or step < 1e-4:
        digits = max(0, math.floor(math.log10(size or 1.0)) - place)
        labels = [f"{value:.{digits}e}" if value else "0" for value in values]
    else:
        labels = [f"{value:.{max(0, -place)}f}" for value in values]
    return [(value, label.replace("-", "−")) for value, label in zip(values, labels)]


def _rows(curves: Sequence[Curve]) -> list[list[tuple[float, Curve]]]:
    """Rows of a legend: the position of each entry in pixels, and its curve."""
    rows: list[list[tuple[float, Curve]]] = []
    x = math.inf
    for curve in curves:
        width = 28 + LETTER * len(curve.name)
        if x + width > WIDTH:
            rows.append([])
            x = 26.0
        rows[-1].append((x, curve))
        x += width + 12
    return rows


def _style(curve: Curve) -> str:
    """Attributes of the curve's group."""
    return f'color="{curve.colour}"' if curve.colour else 'stroke-dasharray="6 4" opacity="0.7"'


def _is_dot(curve: Curve, place: int) -> bool:
    """Whether the point at `place` is shown as a dot."""
    if not curve.is_line or not math.isfinite(curve.y[place]):
        return math.isfinite(curve.y[place])
    if curve.colour is None or curve.interval is not None:
        return False
    # A point without neighbours has no line.
    beside = [*curve.y[max(0, place - 1) : place], *curve.y[place + 1 : place + 2]]
    return len(curve.y) <= MARKED or not any(map(math.isfinite, beside))


def _interval(curve: Curve, ends: Sequence[Sequence[Point]]) -> str:
    """A band along a line, a bar through each other point."""
    if not ends:
        return ""
    if curve.is_line:
        around = [*ends[0], *reversed(ends[1])]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in around if math.isfinite(x + y))
        return f'<polygon points="{outline}" fill-opacity="0.15"/>'
    bars = [pair for pair in zip(*ends) if all(math.isfinite(x + y) for x, y in pair)]
    return "".join(_path(pair) for pair in bars)


def _path(points: Sequence[Point]) -> str:
    """A line through `points`, with gaps where they are not finite."""
    steps, letter = [], "M"
    for x, y in points:
        if math.isfinite(x + y):
            steps.append(f"{letter}{x:.1f} {y:.1f}")
            letter = "L"
        else:
            letter = "M"
    style = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"'
    return f'<path d="{"".join(steps)}" {style}/>' if steps else ""


def _dot(point: Point, radius: float, words: str = "") -> str:
    inner = f"<title>{escape(words)}</title>" if words else ""
    return f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}">{inner}</circle>'


def _line(start: Point, end: Point, opacity: float) -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {ends} stroke="currentColor" stroke-opacity="{opacity}"/>'


def _text(x: float, y: float, text: str, more: str = "", anchor: str = "middle") -> str:
    short = escape(_short(text)) if anchor == "end" else escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{short}</text>'


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"

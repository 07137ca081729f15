"""Draw bars and curves as SVG strings for an HTML page.

Colours and fonts are classes of report.css (s0 to s7 are its series), so that a chart follows the page into the dark.
Sizes are in units that are about a pixel where a chart is as wide as it was drawn for; it shrinks with the page.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

BAR_WIDTH, LABEL_WIDTH, NUMBER_WIDTH = 480, 172, 44  # of a chart of bars; of its texts left and right of them
ROW, BAR = 26, 12  # height of a row, and of the bar in it
WIDTH, HEIGHT = 400, 232  # of a chart of curves
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 38  # around its field
MOST_POINTS = 300  # of a curve: more than that are no more than its width in pixels

Point = tuple[float, float]


class Mark(NamedTuple):
    """A dot with a text that shows under the pointer: at x, for a bar, or at (x, y), for curves."""

    x: float
    text: str
    series: int = 0
    y: float = 0.0
    hollow: bool = False


class Bar(NamedTuple):
    """A row of a chart of bars. A bar without a value has a dash; one that is `pale` stands beside another."""

    label: str
    value: float | None
    text: str = ""  # shows under the pointer
    marks: Sequence[Mark] = ()
    pale: bool = False


class Line(NamedTuple):
    """A curve; `raw` is drawn thin and pale, for what another one smooths."""

    name: str
    points: Sequence[Point]
    series: int = 0
    raw: bool = False
    marks: Sequence[Mark] = ()


def bars(rows: Sequence[Bar], title: str, top: float = 100.0, line: float | None = None, series: int = 0) -> Markup:
    """Horizontal bars from 0 to `top`, a row each, with the value behind it; `line` is a value to mark through all."""
    left, width = LABEL_WIDTH, BAR_WIDTH - LABEL_WIDTH - NUMBER_WIDTH
    height = ROW * len(rows)

    def at(value):
        return left + width * min(max(value, 0), top) / top

    parts = []
    for tick in ticks(0, top, 5):
        parts.append(_rule(at(tick), 0, at(tick), height, "axis" if tick == 0 else "grid"))
        parts.append(_text(at(tick), height + 15, f"{tick:g}", "tick", "middle"))
    for number, row in enumerate(rows):
        parts.append(_row(row, ROW * number + ROW / 2, left, at, series))
    if line is not None:
        parts.append(_rule(at(line), 0, at(line), height, "axis dashed"))
    return _svg("".join(parts), BAR_WIDTH, height + 22, title, "bars")


def _row(row, middle, left, at, series):
    """The SVG of a row of bars, around the height `middle`."""
    style = "beside" if row.pale else ""
    parts = [f"<title>{escape(row.text or row.label)}</title>"]
    parts.append(f'<rect x="0" y="{middle - ROW / 2:g}" width="{BAR_WIDTH}" height="{ROW}" fill="transparent"/>')
    parts.append(_text(left - 8, middle + 4, shortened(row.label), style, "end"))
    if row.value is not None:
        pale = " pale" if row.pale else ""
        size = f'width="{max(at(row.value) - left, 0):.1f}" height="{BAR}"'
        parts.append(f'<rect class="bar s{series}{pale}" x="{left}" y="{middle - BAR / 2:g}" {size}/>')
    for mark in row.marks:
        parts.append(_mark(at(mark.x), middle, mark))
    parts.append(_text(BAR_WIDTH, middle + 4, "–" if row.value is None else f"{row.value:.1f}", style, "end"))
    return f"<g>{''.join(parts)}</g>"


def lines(
    curves: Sequence[Line],
    title: str,
    x_title: str = "",
    x_range: Point | None = None,
    y_range: Point | None = None,
) -> Markup:
    """Curves over a common field; its ranges are those of the points if none are given.

    Points that are not finite are left out.
    """
    curves = [curve._replace(points=_finite(curve.points)) for curve in curves]
    points = [point for curve in curves for point in curve.points]
    x_low, x_high = x_range or _range([x for x, _ in points])
    y_low, y_high = y_range or _range([y for _, y in points])
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(x, y):
        return (
            LEFT + (right - LEFT) * (x - x_low) / (x_high - x_low),
            bottom - (bottom - TOP) * (y - y_low) / (y_high - y_low),
        )

    parts = []
    for tick in ticks(y_low, y_high, 5):
        height = at(x_low, tick)[1]
        parts.append(_rule(LEFT, height, right, height, "grid"))
        parts.append(_text(LEFT - 6, height + 4, short(tick), "tick", "end"))
    for tick in ticks(x_low, x_high, 5):
        parts.append(_text(at(tick, y_low)[0], bottom + 16, short(tick), "tick", "middle"))
    parts.append(_rule(LEFT, bottom, right, bottom, "axis"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 4, x_title, "axis-title", "middle"))
    for curve in curves:
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve.points))
        raw = " raw" if curve.raw else ""
        name = f"<title>{escape(curve.name)}</title>"
        parts.append(f'<polyline class="line s{curve.series}{raw}" points="{way}">{name}</polyline>')
    parts += [_mark(*at(mark.x, mark.y), mark) for curve in curves for mark in curve.marks]
    return _svg("".join(parts), WIDTH, HEIGHT, title)


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` of the points: of each piece of the curve its lowest and its highest, so that peaks stay."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(2 * len(points) / most)
    pieces = [points[start : start + size] for start in range(0, len(points), size)]
    chosen = [(min(piece, key=lambda point: point[1]), max(piece, key=lambda point: point[1])) for piece in pieces]
    return [point for pair in chosen for point in sorted(set(pair))]


def smooth(points: Sequence[Point], share: float = 0.05) -> list[Point]:
    """The means over windows of up to 2 r + 1 points around each, r a `share` of their number."""
    radius, values = max(1, round(share * len(points))), [y for _, y in points]
    windows = [values[max(0, place - radius) : place + radius + 1] for place in range(len(values))]
    return [(x, sum(window) / len(window)) for (x, _), window in zip(points, windows, strict=True)]


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999 * rough)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(number * step, 12) for number in range(first, last + 1)]


def short(value: float) -> str:
    """A number on an axis: 20000 as 20k, 0.00025 as 2.5e-4."""
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    if 0 < abs(value) < 0.001:
        digits, power = f"{value:.2e}".split("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:g}"


def shortened(text: str, most: int = 25) -> str:
    """A text of at most `most` characters, for a place of that width."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _range(values):
    """(low, high) of values with a margin, from 0 where they come near to it; (0, 1) of none."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return (0.0, 2 * high) if high > 0 else (low - 1, low + 1)
    low = 0.0 if 0 <= low < 0.5 * high else low
    return low, high + 0.04 * (high - low)


def _finite(points):
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _mark(x, y, mark):
    shape = "hollow" if mark.hollow else "mark"
    text = f"<title>{escape(mark.text)}</title>"
    return f'<circle class="{shape} s{mark.series}" cx="{x:.1f}" cy="{y:.1f}" r="4">{text}</circle>'


def _rule(x1, y1, x2, y2, style):
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x, y, text, style, anchor):
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(body, width, height, title, style="lines"):
    name = escape(title)
    head = f'<svg class="chart {style}" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
    return Markup(f"{head}{body}</svg>")  # noqa: S704, every text in it is escaped

"""Draw bars and curves with matplotlib as SVG for an HTML page, in the colours of the page.

matplotlib knows no CSS variables. So each colour is drawn as a code, #0000NN, in whose place report.css's variable is
put: a chart follows the page from light to dark.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

VARIABLES = ["", "ink", "muted", "line", "paper", *(f"series-{number}" for number in range(8))]
INK, MUTED, LINE, PAPER, *SERIES = (f"#0000{place:02x}" for place in range(1, len(VARIABLES)))
STYLE = {
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "report",  # the same chart is the same text
    "text.parse_math": False,  # a class may be called $5
    "font.size": 9,  # in points, as sizes of lines and dots
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-3, 4),
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
}
SMOOTHED = 0.05  # share of a curve's points on either side that a point of the smoothed curve is the mean of


class Bar(NamedTuple):
    """A row of a chart of bars, values in percent. A pale one belongs to the row above it."""

    label: str
    value: float | None
    marks: Mapping[int, float | None] = {}  # dots: {series: value}
    pale: bool = False


class Curve(NamedTuple):
    """A curve; a `faint` one is drawn thin, below one that smooths it."""

    points: Sequence[tuple[float, float]]
    series: int = 0
    faint: bool = False
    full: Sequence[tuple[float, float]] = ()  # dots
    hollow: Sequence[tuple[float, float]] = ()


def bars(rows: Sequence[Bar], title: str, line: float | None = None) -> Markup:
    """Horizontal bars from 0 to 100, a row each, with the value behind it; `line` is a value marked across all rows."""

    def draw(axes):
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), [row.label[:25] for row in rows], color=INK)
        axes.grid(axis="x")
        for place, row in enumerate(rows):
            axes.barh(place, row.value or 0, 0.5, color=SERIES[0], alpha=0.4 if row.pale else 1)
            for series, value in row.marks.items():
                if value is not None:
                    axes.plot(value, place, "o", ms=6, mfc=SERIES[series], mec=PAPER)
            text = "–" if row.value is None else f"{row.value:.1f}"
            axes.text(1.09, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center")
        if line is not None:
            axes.axvline(line, color=INK, lw=0.8, ls="--")

    height = 20 * len(rows) + 22
    return _svg(draw, title, (360, height), left=0.36, right=0.91, bottom=20 / height, top=1 - 2 / height)


def lines(curves: Sequence[Curve], title: str, x_title: str, **ranges: tuple[float, float]) -> Markup:
    """Curves over a common field; `ranges`: xlim and ylim where the points do not decide. Only finite points count."""

    def draw(axes):
        for curve in curves:
            x, y = np.array(curve.points, dtype=float).reshape(-1, 2).T
            colour, (width, alpha) = SERIES[curve.series % len(SERIES)], (0.7, 0.45) if curve.faint else (1.3, 1)
            axes.plot(x, np.where(np.isfinite(y), y, np.nan), color=colour, lw=width, alpha=alpha)
            for points, fill in ((curve.full, colour), (curve.hollow, PAPER)):
                axes.plot(*np.array(points).reshape(-1, 2).T, "o", ms=6, mfc=fill, mec=colour)
        low, high = axes.get_ylim()
        if 0 <= low + 0.1 * (high - low) < 0.5 * high:
            axes.set_ylim(bottom=0)
        axes.set(xlabel=x_title, **ranges)
        axes.grid(axis="y")

    return _svg(draw, title, (300, 174), left=0.13, right=0.98, bottom=0.21, top=0.96)


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points with the means of the values around each: of a SMOOTHED share of all on either side, at least one."""
    values = np.array([y for _, y in points])
    window = np.ones(2 * max(1, round(SMOOTHED * len(points))) + 1)
    means = np.convolve(values, window, "same") / np.convolve(np.ones(len(points)), window, "same")
    return list(zip([x for x, _ in points], means.tolist()))


def _svg(draw, title, size, **margins):
    """The SVG of what `draw(axes)` draws; size: (width, height) in points; margins: shares of it."""
    import matplotlib  # slow to import
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure((size[0] / 72, size[1] / 72))
        figure.subplots_adjust(**margins)
        draw(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    body = text[text.index("</metadata>") + len("</metadata>") : text.index("</svg>")].replace("xlink:href", "href")
    body = re.sub(r"<style.*?</style>|(?<=<g) id=\"[\w.]+\"", "", body)
    body = re.sub("(?<=: )#0000(0[1-9a-f])", lambda found: f"var(--{VARIABLES[int(found[1], 16)]})", body)
    head = f'<svg class="chart" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{head}{body}</svg>")  # noqa: S704, matplotlib escapes every text in it

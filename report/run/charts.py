"""Draw curves with matplotlib as SVG for an HTML page, in the colours of the page.

matplotlib knows no CSS variables. So each colour is drawn as a code, #0000NN, in whose place report.css's variable is
put: a chart follows the page from light to dark.
"""

import io
import re
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

VARIABLES = ["", "ink", "muted", "line", "accent"]
INK, MUTED, LINE, CURVE = (f"#0000{place:02x}" for place in range(1, len(VARIABLES)))
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
SIZE = (300, 174)  # points
SMOOTHED = 0.05  # share of a curve's points on either side that a point of the smoothed curve is the mean of

Points = Sequence[tuple[float, float]]


def draw(points: Points, title: str, is_smoothed: bool = False, ylim: tuple[float, float] | None = None) -> Markup:
    """A curve over iterations as SVG, if `is_smoothed` with the points themselves faint. Only finite values count."""
    import matplotlib  # slow to import
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure((SIZE[0] / 72, SIZE[1] / 72))
        figure.subplots_adjust(left=0.13, right=0.98, bottom=0.21, top=0.96)
        axes = figure.add_subplot()
        for curve, width, alpha in (
            [(points, 0.7, 0.45), (smooth(points), 1.3, 1)] if is_smoothed else [(points, 1.3, 1)]
        ):
            x, y = np.array(curve, dtype=float).reshape(-1, 2).T
            axes.plot(x, np.where(np.isfinite(y), y, np.nan), color=CURVE, lw=width, alpha=alpha)
        low, high = axes.get_ylim()
        if 0 <= low + 0.1 * (high - low) < 0.5 * high:
            axes.set_ylim(bottom=0)
        axes.set(xlabel="iteration", **({"ylim": ylim} if ylim else {}))
        axes.grid(axis="y")
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    body = text[text.index("</metadata>") + len("</metadata>") : text.index("</svg>")].replace("xlink:href", "href")
    body = re.sub(r"<style.*?</style>|(?<=<g) id=\"[\w.]+\"", "", body)
    body = re.sub("(?<=: )#0000(0[1-9a-f])", lambda found: f"var(--{VARIABLES[int(found[1], 16)]})", body)
    head = f'<svg class="chart" viewBox="0 0 {SIZE[0]} {SIZE[1]}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{head}{body}</svg>")  # noqa: S704, matplotlib escapes every text in it


def smooth(points: Points) -> Points:
    """The points with the means of the values around each: of a SMOOTHED share of all on either side, at least one."""
    values = np.array([y for _, y in points])
    window = np.ones(2 * max(1, round(SMOOTHED * len(points))) + 1)
    means = np.convolve(values, window, "same") / np.convolve(np.ones(len(points)), window, "same")
    return list(zip([x for x, _ in points], means.tolist()))

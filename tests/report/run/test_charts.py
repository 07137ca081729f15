"""report.run.charts: bars and curves stand where their values are, in the page's colours, and every text is escaped."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from report.run.charts import Bar, Curve, bars, lines, smooth


def shapes(svg, colour):
    """Of each path that is drawn in a colour of the page, its points [(x, y)]."""
    assert "#0000" not in svg
    root = ElementTree.fromstring(svg)  # noqa: S314, made here
    paths = [path for path in root.iter() if path.tag == "path" and f"var(--{colour})" in path.get("style", "")]
    return [[tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", path.get("d"))] for path in paths]


def test_bars_are_as_long_as_their_values():
    svg = bars([Bar("a", 50.0, {2: 50.0, 1: None}), Bar("b", 25.0, pale=True), Bar("c", None)], "title", line=50.0)
    lengths = [max(x for x, _ in points) - min(x for x, _ in points) for points in shapes(svg, "series-0")]
    assert lengths[0] == pytest.approx(2 * lengths[1]) and lengths[0] > 50 and lengths[2] == 0
    end = max(x for x, _ in shapes(svg, "series-0")[0])
    (dot,) = re.findall(r'<use [^>]*x="([\d.]+)"[^>]*series-2', svg)
    assert float(dot) == pytest.approx(end) and "series-1" not in svg  # a dot at the end of its bar, none for None
    assert all(f">{text}</text>" in svg for text in ("50.0", "25.0", "–"))


def test_curves_rise_with_their_values():
    svg = lines([Curve([(0, 0.0), (10, 1.0), (20, 0.5)], full=[(10, 1.0)])], "title", "iteration")
    (curve,) = [points for points in shapes(svg, "series-0") if len(points) == 3]
    (left, low), (middle, high), (right, between) = curve
    assert left < middle < right and high < between < low and middle - left == pytest.approx(right - middle)
    assert ">iteration</text>" in svg


def test_every_text_is_escaped():
    hostile = '$<script>"&'
    for svg in (bars([Bar(hostile, 1.0)], hostile), lines([Curve([(0, 1)])], hostile, hostile)):
        root = ElementTree.fromstring(svg)  # noqa: S314, made here
        assert root.get("aria-label") == hostile and hostile in [text.text for text in root.iter("text")]


@pytest.mark.parametrize("points", [[], [(0, 0.0)], [(0, 2.0), (5, 2.0)], [(1, math.nan), (2, math.inf), (3, 1.0)]])
def test_curves_of_few_equal_or_infinite_points_can_be_drawn(points):
    svg = lines([Curve(points)], "title", "x")
    assert "nan" not in svg and "inf" not in svg


def test_smoothing_takes_means_around_each_point():
    points = [(x, float(x % 2)) for x in range(100)]
    found = smooth(points)
    assert all(0.4 < y < 0.6 for _, y in found) and [x for x, _ in found] == list(range(100))
    assert smooth([(x, 3.0) for x in range(10)])[0] == (0, 3.0)  # fewer values at the ends

"""report.run.charts: a curve rises with its values, in the page's colours, and every text is escaped."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from report.run.charts import draw, smooth


def curves(svg):
    """Of each curve its points [(x, y)]."""
    assert "#0000" not in svg
    root = ElementTree.fromstring(svg)  # noqa: S314, made here
    paths = [path for path in root.iter() if path.tag == "path" and "var(--accent)" in path.get("style", "")]
    return [[tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", path.get("d"))] for path in paths]


def test_curves_rise_with_their_values():
    ((left, low), (middle, high), (right, between)) = curves(draw([(0, 0.0), (10, 1.0), (20, 0.5)], "title"))[0]
    assert left < middle < right and high < between < low and middle - left == pytest.approx(right - middle)


def test_every_text_is_escaped():
    hostile = '$<script>"&'
    root = ElementTree.fromstring(draw([(0, 1)], hostile))  # noqa: S314, made here
    assert root.get("aria-label") == hostile


@pytest.mark.parametrize("points", [[], [(0, 0.0)], [(0, 2.0), (5, 2.0)], [(1, math.nan), (2, math.inf), (3, 1.0)]])
def test_curves_of_few_equal_or_infinite_points_can_be_drawn(points):
    svg = draw(points, "title")
    assert "nan" not in svg and "inf" not in svg


def test_smoothing_takes_means_around_each_point():
    points = [(x, float(x % 2)) for x in range(100)]
    found = smooth(points)
    assert all(0.4 < y < 0.6 for _, y in found) and [x for x, _ in found] == list(range(100))
    assert smooth([(x, 3.0) for x in range(10)])[0] == (0, 3.0)  # fewer values at the ends
    faint, strong = curves(draw(points, "title", is_smoothed=True))
    height = [max(y for _, y in curve) - min(y for _, y in curve) for curve in (faint, strong)]
    assert height[1] < 0.3 * height[0]

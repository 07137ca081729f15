"""report.run.charts: what stands in the SVG of bars and curves, and how curves are thinned and smoothed."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from report.run.charts import (
    BAR_WIDTH,
    LABEL_WIDTH,
    MOST_POINTS,
    NUMBER_WIDTH,
    Bar,
    Line,
    Mark,
    bars,
    lines,
    short,
    smooth,
    thin,
    ticks,
)


def parsed(svg):
    return ElementTree.fromstring(svg)  # noqa: S314, made here


def parts(svg, name, style=""):
    """The elements `name` of an SVG string whose class holds `style`."""
    return [each for each in parsed(svg).iter(name) if not style or style in each.get("class", "").split()]


def texts(svg):
    return ["".join(each.itertext()) for each in parts(svg, "text")]


def test_bars_are_as_long_as_their_values():
    svg = bars([Bar("a", 50.0), Bar("b", 25.0, pale=True), Bar("c", None), Bar("d", 0.0)], "title")
    widths = [float(each.get("width")) for each in parts(svg, "rect", "bar")]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01) and widths[2] == 0 and len(widths) == 3
    assert widths[0] == pytest.approx((BAR_WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / 2, abs=0.1)  # of 100
    assert [each.get("class") for each in parts(svg, "rect", "pale")] == ["bar s0 pale"]
    assert {"50.0", "25.0", "–", "0.0"} <= set(texts(svg))


def test_marks_and_the_line_stand_at_their_values():
    svg = bars([Bar("a", 50.0, marks=[Mark(50.0, "at the end of the bar", 2)])], "title", line=50.0)
    bar, mark, line = parts(svg, "rect", "bar")[0], parts(svg, "circle", "s2")[0], parts(svg, "line", "dashed")[0]
    end = float(bar.get("x")) + float(bar.get("width"))
    assert float(mark.get("cx")) == pytest.approx(end, abs=0.2) == float(line.get("x1"))
    assert mark.find("title").text == "at the end of the bar"


def test_every_text_is_escaped_and_the_chart_has_a_name():
    hostile = '<script>"&'
    svg = bars([Bar(hostile, 1.0, hostile, [Mark(1.0, hostile)])], hostile)
    assert parsed(svg).get("aria-label") == hostile and hostile in texts(svg)
    assert "<script" not in svg + lines([Line(hostile, [(0, 1)], marks=[Mark(0, hostile)])], hostile, hostile)


def test_curves_keep_their_order_and_end_within_the_field():
    svg = lines([Line("a", [(0, 0.0), (10, 1.0), (20, 0.5)]), Line("b", [(0, 1.0)], 1, raw=True)], "title", "iteration")
    way = [tuple(map(float, point.split(","))) for point in parts(svg, "polyline", "s0")[0].get("points").split()]
    assert way[0][0] < way[1][0] < way[2][0] and way[0][1] > way[2][1] > way[1][1]
    assert all(0 <= x <= 400 and 0 <= y <= 232 for x, y in way) and "iteration" in texts(svg)
    assert [each.get("class") for each in parts(svg, "polyline", "raw")] == ["line s1 raw"]


@pytest.mark.parametrize("points", [[], [(0, 0.0)], [(0, 2.0), (5, 2.0)], [(1, math.nan), (2, math.inf), (3, 1.0)]])
def test_curves_of_few_equal_or_infinite_points_can_be_drawn(points):
    svg = lines([Line("a", points)], "title")
    assert "nan" not in svg and "inf" not in svg


def test_thinning_keeps_peaks_and_ends_in_order():
    points = [(x, 100.0 if x == 777 else math.sin(x / 50)) for x in range(10_000)]
    found = thin(points)
    assert len(found) <= MOST_POINTS and (777, 100.0) in found and found == sorted(found)
    assert thin(points[:MOST_POINTS]) == points[:MOST_POINTS]


def test_smoothing_takes_means_around_each_point():
    points = [(x, float(x % 2)) for x in range(100)]
    values = [y for _, y in smooth(points)]
    assert all(0.4 < value < 0.6 for value in values) and [x for x, _ in smooth(points)] == list(range(100))


@pytest.mark.parametrize("low, high, expected", [
    (0, 100, [0, 20, 40, 60, 80, 100]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 480, [0, 100, 200, 300, 400]),
    (26, 52, [30, 40, 50]), (0, 2.6e-4, [0, 1e-4, 2e-4]),
])  # fmt: skip
def test_ticks_are_round_numbers(low, high, expected):
    assert ticks(low, high, 5) == pytest.approx(expected)


def test_numbers_on_axes_are_short():
    assert [short(value) for value in (0, 0.25, 30, 20000, 2.5e-4)] == ["0", "0.25", "30", "20k", "2.5e-4"]

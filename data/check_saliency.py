"""Checks of all saliency maps of a data set together, for data.check: `measure` one map, then judge all measures.

Probably inverted maps are a fault. The rest is worth a look but no fault: a run goes through with such maps, the images
may really be like that, and whether the labels suffer is seen in the labels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

INVERTED = "saliency maps, probably inverted"
CONSTANT = "saliency maps of one value"


class Threshold(NamedTuple):
    """The lowest level that a stage takes for salient."""

    level: int
    stage: str
    without: str  # what happens in an image without such a pixel
    everywhere: str  # and in one without any other


THRESHOLDS = (
    Threshold(32, "pseudo.background", "all that has no attention is background", "there is no background"),
    Threshold(1, "pseudo.nsrm", "the prediction alone says what is kept", "nothing is masked"),
)
NEARLY_ALL = 0.95  # of an image's pixels
MANY = 0.1  # of the maps: more than this share is worth a remark


class Measures(NamedTuple):
    """Numbers kept of one map."""

    border: float | None  # mean of the outer tenth on each side, and of the middle half; None if the map is too small
    centre: float | None
    above: tuple[float, ...]  # share of the pixels that reach each of THRESHOLDS


def measure(saliency: np.ndarray) -> Measures:
    """Measure a map, uint8 (H, W)."""
    above = tuple(np.count_nonzero(saliency >= level) / saliency.size for level, *_ in THRESHOLDS)
    return Measures(*border_and_centre(saliency), above)


def border_and_centre(saliency: np.ndarray) -> tuple[float | None, float | None]:
    """Mean of the outer tenth on each side and of the middle half of a map (H, W); None if it is too small for both."""
    height, width = saliency.shape
    if min(height, width) < 4:
        return None, None
    inner = np.ones(saliency.shape, bool)
    rows, columns = max(1, height // 10), max(1, width // 10)
    inner[:rows] = inner[-rows:] = inner[:, :columns] = inner[:, -columns:] = False
    centre = saliency[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float(saliency[~inner].mean()), float(centre.mean())


def faults(maps: Sequence[Measures]) -> list[tuple[str, str]]:
    """(kind, message) of faults: probably inverted maps.

    Salient objects are mostly in the middle of a photograph, so most sound maps are darker at the border. Inverting a
    set turns every such vote round. A set is called inverted if more than n / 2 + sqrt(n) of its n maps vote for it:
    two standard deviations beyond n tosses of a coin, so that few maps convict no set by chance.
    """
    votes = [each.border > each.centre for each in maps if each.border != each.centre]
    brighter_border = sum(votes)
    if brighter_border > len(votes) / 2 + math.sqrt(len(votes)):
        return [(INVERTED, "most are brighter at the border than in the centre; objects should be bright")]
    return []


def remarks(maps: Sequence[Measures]) -> list[tuple[str, str]]:
    """(kind, message) of what is worth a look: many maps that reach a threshold nowhere or nearly everywhere."""
    found = []
    for index, (level, stage, without, everywhere) in enumerate(THRESHOLDS):
        nowhere, all_over = extremes(maps, index)
        for count, where, effect in ((nowhere, "nowhere", without), (all_over, "nearly everywhere", everywhere)):
            if count > MANY * len(maps):
                kind = f"many saliency maps that reach {level} of 255 {where}"
                found.append((kind, f"{count} of {len(maps)}; for {stage}, {effect} in those images"))
    return found


def extremes(maps: Sequence[Measures], index: int) -> tuple[int, int]:
    """How many maps reach a threshold nowhere, and nearly everywhere."""
    shares = [each.above[index] for each in maps]
    return sum(share == 0 for share in shares), sum(share >= NEARLY_ALL for share in shares)


def summary(maps: Sequence[Measures]) -> str:
    """A few lines about all maps."""
    if not maps:
        return "saliency: no usable map"
    lines = []
    if pairs := [(each.border, each.centre) for each in maps if each.border is not None]:
        brighter = sum(border > centre for border, centre in pairs)
        border, centre = np.mean(pairs, axis=0)
        text = f"saliency: {brighter} of {len(pairs)} maps are brighter at the border than in the centre"
        lines.append(f"{text} (mean {border:.0f} at the border, {centre:.0f} in the centre)")
    for index, (level, stage, *_) in enumerate(THRESHOLDS):
        share = float(np.median([each.above[index] for each in maps]))
        nowhere, all_over = extremes(maps, index)
        text = f"saliency: {share:.0%} of the pixels of the median map reach {level} of 255 ({stage});"
        lines.append(f"{text} no pixel in {nowhere} of {len(maps)} maps, nearly all in {all_over}")
    return "\n".join(lines)

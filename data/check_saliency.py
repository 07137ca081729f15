"""What data.check says about the saliency maps as a whole: `measure` looks at one map, a `Survey` at all of them.

One fault: the maps are probably inverted. The rest is worth a look and no fault: a run goes through with such maps, the
images may really be like that, and whether the labels suffer is seen in the labels.
"""

import math
from typing import NamedTuple

import numpy as np

INVERTED = "saliency maps, probably inverted"
CONSTANT = "saliency maps of one value"
SCALED = "saliency maps, probably scaled for each image"


class Threshold(NamedTuple):
    """The least level that a stage takes for salient."""

    level: int
    stage: str
    without: str  # what happens in an image that has no such pixel
    everywhere: str  # and in one that has no other


THRESHOLDS = (
    Threshold(32, "pseudo.background", "all that has no attention is background", "there is no background"),
    Threshold(1, "pseudo.nsrm", "the prediction alone says what is kept", "nothing is masked"),
)
NEARLY_ALL = 0.95  # of an image's pixels, or of the maps that tell
MANY = 0.1  # of the maps, beyond which few enough for a remark have become too many
NEAR = 2  # levels: rounding and resizing after the scaling move the ends by as much
SMALL_PEAK = 0.1  # of the pixels above half the maximum, those that are near it
WITNESSES = 10  # maps without which nothing is said of scaling


class Measures(NamedTuple):
    """What is kept of one map."""

    border: float | None  # mean of the outer tenth on each side, and of the middle half; None if it is too small
    centre: float | None
    low: int
    high: int
    peak: float  # of the pixels above half the maximum, the share that is near it
    above: tuple[float, ...]  # share of the pixels that reach each of THRESHOLDS


def measure(saliency: np.ndarray) -> Measures:
    """What is to be kept of a map, uint8 (H, W), of at least one pixel that is not 0."""
    low, high = int(saliency.min()), int(saliency.max())
    peak = np.count_nonzero(saliency >= high - NEAR) / np.count_nonzero(saliency > high / 2)
    above = tuple(np.count_nonzero(saliency >= level) / saliency.size for level, *_ in THRESHOLDS)
    return Measures(*border_and_centre(saliency), low, high, peak, above)


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


class Survey:
    """The measures of all maps, and what follows from them."""

    def __init__(self):
        self.balance, self.scaling = Balance(), Scaling()
        self.above = []  # of each map

    def add(self, measures: Measures) -> None:
        if measures.border is not None:
            self.balance.add((measures.border, measures.centre))
        self.scaling.add(measures)
        self.above.append(measures.above)

    def faults(self) -> list[tuple[str, str]]:
        """(kind, message) of what makes the maps useless."""
        message = "most have a brighter border than centre, and objects are to be bright, not dark"
        return [(INVERTED, message)] if self.balance.inverted() else []

    def remarks(self) -> list[tuple[str, str]]:
        """(kind, message) of what is worth a look."""
        found = [(SCALED, str(self.scaling))] if self.scaling.likely() else []
        for number, (level, stage, without, everywhere) in enumerate(THRESHOLDS):
            nowhere, all_over = self.extremes(number)
            for count, where, effect in ((nowhere, "nowhere", without), (all_over, "nearly everywhere", everywhere)):
                if count > MANY * len(self.above):
                    kind = f"many saliency maps that reach {level} of 255 {where}"
                    found.append((kind, f"{count} of {len(self.above)}; for {stage}, {effect} in those images"))
        return found

    def extremes(self, number: int) -> tuple[int, int]:
        """How many maps reach a threshold nowhere, and nearly everywhere."""
        shares = [each[number] for each in self.above]
        return sum(share == 0 for share in shares), sum(share >= NEARLY_ALL for share in shares)

    def __str__(self):
        if not self.above:
            return "saliency: no usable map"
        lines = [str(self.balance)] if self.balance.maps else []
        for number, (level, stage, *_) in enumerate(THRESHOLDS):
            share = float(np.median([each[number] for each in self.above]))
            nowhere, all_over = self.extremes(number)
            text = f"saliency: {share:.0%} of the pixels of the median map reach {level} of 255 ({stage});"
            lines.append(f"{text} no pixel in {nowhere} of {len(self.above)} maps, nearly all in {all_over}")
        return "\n".join(lines)


class Scaling:
    """Whether each map was stretched to the whole range, so that an image with nothing salient has a bright map, too.

    That a map goes from 0 to 255 says nothing if a detector is sure of its object: much of the map is at the top then,
    scaled or not. Those maps tell that waver, with a small peak: fewer than SMALL_PEAK of their brighter pixels are
    near their maximum. Unscaled, their maxima differ; scaled, they are all the same one, the set's. A set is called
    scaled if at least WITNESSES maps waver, and NEARLY_ALL of these go from 0 to the brightest level of all maps, both
    within NEAR levels. Maps that are masks, of two values, never waver, and the scaling does not hurt them.
    """

    def __init__(self):
        self.brightest = 0  # of all maps
        self.maxima = np.zeros(256, int)  # how many wavering maps that start at 0 have each maximum
        self.wavering = 0

    def add(self, measures: Measures) -> None:
        self.brightest = max(self.brightest, measures.high)
        if measures.low < measures.high and measures.peak < SMALL_PEAK:
            self.wavering += 1
            self.maxima[measures.high] += measures.low <= NEAR

    def spanning(self) -> int:
        """How many of the wavering maps go from 0 to the brightest level of all."""
        return int(self.maxima[max(0, self.brightest - NEAR) :].sum())

    def likely(self) -> bool:
        return self.wavering >= WITNESSES and self.spanning() >= NEARLY_ALL * self.wavering

    def __str__(self):
        found = f"{self.spanning()} of the {self.wavering} maps with a small peak go from 0 to {self.brightest}"
        return f"{found}; an image with nothing salient has a bright map then (docs/saliency.md)"


class Balance:
    """How many saliency maps are brighter at the border than in the centre, and whether that is too many.

    Salient objects are mostly in the middle of a photograph, so a sound map is mostly darker at its border; but not
    each one, so that a single map says nothing. Inverting a set turns every such vote round: if p is the share of
    sound maps with a brighter border, the inverted set has 1 - p, and one half separates the two for every p below it.
    A set is called inverted if more than n / 2 + sqrt(n) of its n maps vote for it: two standard deviations beyond
    what n tosses of a coin give, so that few maps do not convict a set by chance.
    """

    def __init__(self):
        self.maps = self.brighter_border = self.votes = 0
        self.border = self.centre = 0.0

    def add(self, brightness: tuple[float, float]) -> None:
        border, centre = brightness
        self.maps += 1
        self.votes += border != centre
        self.brighter_border += border > centre
        self.border += border
        self.centre += centre

    def inverted(self) -> bool:
        return self.brighter_border > self.votes / 2 + math.sqrt(self.votes)

    def __str__(self):
        means = f"mean {self.border / self.maps:.0f} at the border, {self.centre / self.maps:.0f} in the centre"
        found = f"{self.brighter_border} of {self.maps} maps are brighter at the border than in the centre"
        return f"saliency: {found} ({means})"

"""The scores of two runs side by side, and what came of single images."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from common.scores import cuts
from report.differences import MADE, Difference, common_folders, content_of, differences, merged
from report.reading import Scored, Stage, read_scored

KINDS = ("", "simple", "complex")  # of images: all, those of one class, those of two or more
SCORES = ("mean_iou", "pixel_accuracy", "mean_accuracy", "fw_iou", "ignored", "false_negative")
ONE_RUN, OTHER_IMAGES, NO_RECORD = "only in one run", "not the same images", "images not recorded"

Values = tuple[float | None, float | None, float | None]  # a score in A, in B, and B - A, in percent


class Pair(NamedTuple):
    """What seg.evaluate scored of one folder in both runs, or in one of them."""

    folder: str
    title: str
    a: Scored | None
    b: Scored | None
    problem: str  # why their scores are not subtracted; "" if they may be

    @property
    def split(self) -> str:
        """The name of the scored split, or both of them."""
        return " / ".join(dict.fromkeys(each.split for each in (self.a, self.b) if each))


class Row(NamedTuple):
    """A pair's scores, of maps at one kind of threshold."""

    pair: Pair
    cut: str  # "" of labels, "best" or "fixed" of maps
    a: dict[str, Any] | None  # as in scores.json
    b: dict[str, Any] | None

    @property
    def title(self) -> str:
        """The stage's title; that of maps says how the threshold was chosen, and which it is in A and B."""
        how = {"best": ", best threshold on this ground truth", "fixed": ", fixed threshold"}.get(self.cut)
        return f"{self.pair.title}{how} ({thresholds_of(self.a, self.b)})" if how else self.pair.title

    @property
    def classes(self) -> list[str]:
        """The names of the classes in the scores of A, then those that only B has; background first."""
        found = (each.get("class_iou") for each in (self.a, self.b) if each)
        return list(dict.fromkeys(name for names in found if isinstance(names, dict) for name in names))

    def values(self, *keys: str) -> Values:
        """The score that lies at `keys`, such as "simple", "mean_iou"; None where there is none."""
        a, b = score_at(self.a, *keys), score_at(self.b, *keys)
        return a, b, None if a is None or b is None or self.pair.problem else rounded(b - a)


class Move(NamedTuple):
    """The mIoU of one image in A and in B, in percent."""

    id: str
    a: float
    b: float

    @property
    def gain(self) -> float:
        return rounded(self.b - self.a)


class Moves(NamedTuple):
    """The images of a stage that both runs have."""

    pair: Pair
    images: list[Move]  # in the list's order, without those that have no score

    @property
    def title(self) -> str:
        """The stage's title; that of maps with the thresholds at which their images were scored."""
        thresholds = thresholds_of(self.pair.a.scores, self.pair.b.scores)
        return f"{self.pair.title} ({thresholds})" if thresholds else self.pair.title

    @property
    def gained(self) -> int:
        return sum(move.gain > 0 for move in self.images)

    @property
    def lost(self) -> int:
        return sum(move.gain < 0 for move in self.images)

    @property
    def mean(self) -> float | None:
        """The mean gain of all of its images."""
        return rounded(sum(move.gain for move in self.images) / len(self.images)) if self.images else None

    def largest(self, count: int) -> tuple[list[Move], list[Move]]:
        """At most `count` gains and at most `count` losses, the largest first; ties stand in the list's order."""
        gains = sorted((move for move in self.images if move.gain > 0), key=lambda move: -move.gain)
        losses = sorted((move for move in self.images if move.gain < 0), key=lambda move: move.gain)
        return gains[:count], losses[:count]


class Comparison(NamedTuple):
    """All that is shown of two runs."""

    a: Path
    b: Path
    differences: list[Difference]
    only: tuple[list[str], list[str]]  # folders of stages that A alone has, that B alone has
    common: list[str]  # folders of stages that both have
    rows: list[Row]
    moves: list[Moves]  # of each common stage that was scored on the same images, image by image
    shown: Moves | None  # those whose images are shown

    @property
    def made(self) -> list[str]:
        """What the runs themselves made and later stages read, where its content differs, in its order."""
        return list(dict.fromkeys(each.a for each in self.differences if each.kind == MADE))

    @property
    def on_other_images(self) -> bool:
        """Whether both runs have scores that are not subtracted because their images differ."""
        return any(row.pair.problem == OTHER_IMAGES for row in self.rows)

    @property
    def comparable(self) -> list[Row]:
        """The rows whose scores are those of the same images, and which name the classes."""
        return [row for row in self.rows if not row.pair.problem and row.classes]


def compare(a: Path, b: Path, stages: tuple[list[Stage], list[Stage]]) -> Comparison:
    """Compare two runs, whose stages are read already. Raises InputError if their scores are unusable."""
    pairs = pairs_of((stages[0], read_scored(a)), (stages[1], read_scored(b)))
    scores = [(pair, *(cuts(each.scores) if each else {} for each in (pair.a, pair.b))) for pair in pairs]
    rows = [
        Row(pair, cut, one.get(cut), other.get(cut)) for pair, one, other in scores for cut in merged([*one], [*other])
    ]
    moves = [moves_of(pair) for pair in pairs if not pair.problem and pair.a.images and pair.b.images]
    folders = [[stage.folder for stage in found] for found in stages]
    only = tuple([name for name in own if name not in other] for own, other in (folders, folders[::-1]))
    found = differences((a, stages[0]), (b, stages[1]))
    return Comparison(a, b, found, only, common_folders(*stages), rows, moves, last_prediction(moves))


def pairs_of(a: tuple[list[Stage], list[Scored]], b: tuple[list[Stage], list[Scored]]) -> list[Pair]:
    """What was scored, in the method's order; a and b: a run's stages and scores."""
    scored = [{each.folder: each for each in found} for _, found in (a, b)]
    data = [{stage.folder: stage.record["inputs"].get("data") for stage in stages} for stages, _ in (a, b)]
    pairs = []
    for folder in merged(*map(list, scored)):
        one, other = (found.get(folder) for found in scored)
        contents = {content_of(found.get(f"scores/{folder}")) for found in data}  # of its list, images, ground truth
        if one is None or other is None:
            problem = ONE_RUN
        elif "" in contents:
            problem = NO_RECORD
        else:
            problem = "" if len(contents) == 1 and one.split == other.split else OTHER_IMAGES
        pairs.append(Pair(folder, (one or other).title, one, other, problem))
    return pairs


def thresholds_of(*scores: dict[str, Any] | None) -> str:
    """The thresholds of maps in the scores of A and B, "0.3" or "0.3 / 0.4"; "" of labels."""
    found = [score_at(each, "threshold") for each in scores]
    texts = ("–" if each is None else f"{each:g}" for each in found)
    return " / ".join(dict.fromkeys(texts)) if set(found) != {None} else ""


def rounded(difference: float) -> float:
    """A difference to two places, as scores are kept; never -0.0."""
    return round(difference, 2) + 0.0


def score_at(scores: dict[str, Any] | None, *keys: str) -> float | None:
    """The number that lies at `keys` in scores; None if there is none."""
    found = scores
    for key in filter(None, keys):
        found = found.get(key) if isinstance(found, dict) else None
    usable = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)
    return found if usable else None


def moves_of(pair: Pair) -> Moves:
    """The images that both runs scored, in A's order."""
    scores = {line["id"]: score_at(line, "mean_iou") for line in pair.b.images}
    both = ((line["id"], score_at(line, "mean_iou"), scores.get(line["id"])) for line in pair.a.images)
    return Moves(pair, [Move(*each) for each in both if None not in each])


def last_prediction(moves: Iterable[Moves]) -> Moves | None:
    """The last prediction, those of the method before others; without predictions the last labels, or else maps."""

    def rank(found):
        pair = found.pair
        prediction = pair.folder.startswith("pred")
        return prediction and pair.title != pair.folder, prediction, "threshold" not in pair.a.scores

    return max(reversed(list(moves)), key=rank, default=None)  # of equals the first, which is the last stage

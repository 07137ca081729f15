"""What smells in a run: each check looks at one thing and says what it found and why that matters."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.dataset import DataSet
from common.images import IGNORE_INDEX, read_grey, read_indexed
from report.run.choice import even
from report.run.reading import Scored, Stage, commit_of, recorded_run, seconds_of, short_commit
from stages.files import InputError

SAMPLED = 200  # files of a folder that are looked at, evenly spaced: a share of 2 % shows, at seconds a report
MOST_IGNORED = 70.0  # percent: NSRM's masked labels ignore up to a half on purpose, IRN's a third
MOST_EMPTY_LABELS = 0.2  # share of labels without any object, though the list names a class for each image
MOST_EMPTY_MAPS = 0.02  # share of constant maps; a class activation map of a trained network is never constant
FEWEST_IMAGES = 5  # of a class among those sampled, before its absence means anything
MOST_WAITING = 0.2  # share of a training's time spent waiting for data
RISEN = 1.1  # a loss that ends above this many times its beginning did not learn
ENDS = 0.1  # share of a curve whose mean is its beginning or its end
LABELLERS = ("seg.predict", "irn.walk", "irn.seed")  # beside all of pseudo
MAPPERS = ("cls.infer", "cls.refine")

Curves = dict[str, list[tuple[int, float]]]  # a training's, as report.run.reading gives them


class Finding(NamedTuple):
    """Something that smells: what was found, and why that matters or what to do."""

    text: str
    reason: str


class Sample(NamedTuple):
    """What was seen in a sample of the labels of a folder."""

    labels: list[np.ndarray]  # the values of each, uint8 (P,)
    classes: list[tuple]  # the 0-based classes that the list names for each
    ignored: float  # percent of pixels


def findings(
    run: Path, dataset: DataSet | None, stages: list[Stage], scored: list[Scored], curves: dict[str, Curves]
) -> list[Finding]:
    """Everything that smells in a run. `curves`: {folder: curves} of its trainings; `dataset`: None if it is away."""
    found = [*unfinished(stages), *older_than_inputs(run, stages), *changed_inputs(stages), *commits(stages)]
    found += [*without_images(scored), *scores_ignored(scored), *scores_missed(scored)]
    known = {each.folder for each in scored}
    for stage in stages:
        if not stage.record["finished"]:
            continue
        if stage.command in MAPPERS:
            found += empty_maps(run, stage)
        is_label = stage.command.startswith("pseudo.") or stage.command in LABELLERS
        if dataset and is_label and isinstance(stage.arguments.get("split"), str):  # not of photographs elsewhere
            found += labels(run, stage, dataset, stage.folder in known)
    for folder, each in curves.items():
        found += [*waiting(folder, each), *risen(folder, each)]
    return found


def unfinished(stages: Iterable[Stage]) -> list[Finding]:
    """Stages that have not finished."""
    names = [stage.folder for stage in stages if not stage.record["finished"]]
    reason = "The same command goes on where it stopped; what stands here of them is not their last word."
    return [Finding(f"Not finished: {', '.join(names)}", reason)] if names else []


def older_than_inputs(run: Path, stages: list[Stage]) -> list[Finding]:
    """Stages that began before one of their inputs, a stage of the same run, was done."""
    found = []
    for stage in stages:
        begun = seconds_of(stage.record["started"])
        for source in inputs_of(run, stage, stages):
            done = seconds_of(source.record["finished"])
            if begun is not None and done is not None and done > begun:
                times = f"Begun {stage.record['started']}, the input was done {source.record['finished']}."
                reason = f"{times} Run it again with --force, or it is the result of what is no longer there."
                found.append(Finding(f"{stage.folder} is older than its input {source.folder}", reason))
    return found


def inputs_of(run: Path, stage: Stage, stages: Iterable[Stage]) -> list[Stage]:
    """The stages of the run that a stage read: those whose folder, or a file in it, an input names."""
    named = {path for path in (stage.arguments.get(name) for name in stage.record["inputs"]) if isinstance(path, str)}
    places = {place.parts for path in named for place in (Path(path), Path(path).parent)}
    names = {run.resolve().name, *(Path(place).name for place in recorded_run(stage))}  # it may have been renamed

    def is_read(other):
        ways = [(name, *Path(other.folder).parts) for name in names]
        return any(place[-len(way) :] == way for place in places for way in ways)

    return [other for other in stages if other.folder != stage.folder and is_read(other)]


def changed_inputs(stages: Iterable[Stage]) -> list[Finding]:
    """Inputs that had another content for one stage than for another."""
    readers = {}  # {path, what was read of it: {SHA-256: folders of stages}}
    for stage in stages:
        for name, content in stage.record["inputs"].items():
            if not isinstance(content, dict) or not isinstance(stage.arguments.get(name), str):
                continue
            part = (str(content["reads"]), str(stage.arguments.get("split"))) if "reads" in content else ()
            digests = readers.setdefault((stage.arguments[name], part), {})
            digests.setdefault(str(content.get("sha256")), []).append(stage.folder)
    reason = "It changed between them, so they belong to different runs. Run those of the older content with --force."
    return [
        Finding(f"{path} had one content for {' and another for '.join(map(', '.join, digests.values()))}", reason)
        for (path, _), digests in readers.items()
        if len(digests) > 1
    ]


def commits(stages: Iterable[Stage]) -> list[Finding]:
    """Stages that different versions of the code made, or one with changes that no commit holds."""
    makers = {}
    for stage in stages:
        if commit := commit_of(stage):
            makers.setdefault(commit, []).append(stage.folder)
    found = []
    if len(makers) > 1:
        parts = [f"{short_commit(commit)}: {', '.join(folders)}" for commit, folders in makers.items()]
        found.append(Finding("Stages were made by different commits", "; ".join(parts)))
    dirty = [folder for commit, folders in makers.items() if commit.endswith("-dirty") for folder in folders]
    if dirty:
        reason = "What made them is in no commit, so nobody can check it out."
        found.append(Finding(f"Made with uncommitted changes: {', '.join(dirty)}", reason))
    return found


def without_images(scored: Iterable[Scored]) -> list[Finding]:
    """Scores that an earlier version wrote, without those of single images."""
    names = [each.folder for each in scored if not each.images]
    reason = "An earlier version scored them. Run seg.evaluate again with --force to sort the gallery by them."
    return [Finding(f"Without scores of single images: {', '.join(names)}", reason)] if names else []


def scores_ignored(scored: Iterable[Scored]) -> list[Finding]:
    """Scored labels that are almost all ignored."""
    shares = {each.folder: each.scores.get("ignored") for each in scored}
    return [almost_ignored(name, share) for name, share in shares.items() if share and share > MOST_IGNORED]


def almost_ignored(folder: str, share: float) -> Finding:
    """What is said of labels of which that percentage is ignored."""
    reason = (
        "The mIoU leaves ignored pixels out: it looks at the little that is left, and a network learns from no more."
    )
    return Finding(f"{folder}: {share:.1f} % of the pixels are ignored", reason)


def scores_missed(scored: Iterable[Scored]) -> list[Finding]:
    """Classes that the ground truth of some image holds, and of which not a pixel is right."""
    found = []
    for each in scored:
        there = {name for line in each.images for name in line["class_iou"]}
        iou = each.scores.get("class_iou", {})
        missed = [name for name in iou if iou[name] == 0 and (name in there or not each.images)]
        if missed:
            found.append(never_predicted(each.folder, missed, "an IoU of 0"))
    return found


def never_predicted(folder: str, names: Sequence[str], how: str) -> Finding:
    """What is said of classes that labels or predictions lack."""
    reason = "A class that labels lack cannot be learned from them; each counts as 0 in the mean over the classes."
    return Finding(f"{folder}: never predicted, or never right: {', '.join(names)} ({how})", reason)


def labels(run: Path, stage: Stage, dataset: DataSet, is_scored: bool) -> list[Finding]:
    """What smells in labels or predictions; of those that are scored, what the scores do not say."""
    try:
        sample = sample_labels(run / stage.folder, dataset, str(stage.arguments.get("split")))
    except InputError as error:
        return [Finding(f"{stage.folder}: not looked at", str(error))]
    found = [almost_ignored(stage.folder, sample.ignored)] if sample.ignored > MOST_IGNORED and not is_scored else []
    objects = [bool(set(values.tolist()) - {0, IGNORE_INDEX}) for values in sample.labels]
    empty = sum(bool(classes) and not there for classes, there in zip(sample.classes, objects))
    if empty > MOST_EMPTY_LABELS * len(objects):
        reason = "The list names at least one class for each of these images, but no pixel has one."
        found.append(Finding(f"{stage.folder}: {empty} of {len(objects)} labels looked at hold no object", reason))
    predicted = {value for values in sample.labels for value in values.tolist()}
    counts = np.bincount([cls for classes in sample.classes for cls in classes], minlength=len(dataset.classes))
    pairs = enumerate(zip(dataset.classes, counts))
    missing = [name for cls, (name, count) in pairs if count >= FEWEST_IMAGES and cls + 1 not in predicted]
    if missing and not is_scored:
        found.append(never_predicted(stage.folder, missing, f"in none of {len(objects)} labels looked at"))
    return found


def sample_labels(folder: Path, dataset: DataSet, split: str) -> Sample:
    """Look at up to SAMPLED labels of a split. Raises InputError if the list or a label is unusable."""
    there = {path.name for path in folder.glob("*.png")}
    items = even([item for item in dataset.split(split) if f"{item.id}.png" in there], SAMPLED)
    found, ignored, pixels = [], 0, 0
    for item in items:
        label = read_indexed(folder / f"{item.id}.png")
        found.append(np.unique(label))
        ignored, pixels = ignored + int((label == IGNORE_INDEX).sum()), pixels + label.size
    return Sample(found, [item.classes for item in items], 100 * ignored / max(1, pixels))


def empty_maps(run: Path, stage: Stage) -> list[Finding]:
    """Maps that are constant."""
    paths = even(sorted((run / stage.folder).glob("*_*.png")), SAMPLED)
    try:
        empty = [path.name for path in paths if np.ptp(read_grey(path)) == 0]
    except InputError as error:
        return [Finding(f"{stage.folder}: not looked at", str(error))]
    if len(empty) <= MOST_EMPTY_MAPS * len(paths):
        return []
    reason = "A constant map says nothing of where its class is, and no label takes the class from it."
    if len(empty) > len(paths) / 2:
        reason += " So many of them: the network may have collapsed."
    some = ", ".join(empty[:3]) + ("" if len(empty) <= 3 else ", …")
    return [Finding(f"{stage.folder}: {len(empty)} of {len(paths)} maps looked at are constant ({some})", reason)]


def waiting(folder: str, curves: Curves) -> list[Finding]:
    """A training that spent much of its time waiting for data."""
    points = curves.get("waiting for data")
    if not points or not points[-1][1] > MOST_WAITING:
        return []
    text = f"{folder}: {100 * points[-1][1]:.0f} % of the time went into waiting for data"
    return [Finding(text, "More --workers or a faster disk would make this training shorter.")]


def risen(folder: str, curves: Curves) -> list[Finding]:
    """Losses that end above where they began."""
    found = []
    for name, points in curves.items():
        values = [value for _, value in points]
        while values and values[0] == 0:  # of a loss that sets in later
            values = values[1:]
        count = max(1, round(ENDS * len(values)))
        if not name.startswith("loss/") or len(values) < 10:
            continue
        begin, end = np.mean(values[:count]), np.mean(values[-count:])
        if end > RISEN * begin > 0:
            text = f"{folder}: the {name.removeprefix('loss/')} loss ended at {end:.3g}, it began at {begin:.3g}"
            found.append(Finding(text, "Another learning rate or seed may help; look at its curve below."))
    return found

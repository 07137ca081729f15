"""Flag likely problems of a run: each check looks for one and says what it found and why that matters."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.dataset import DataSet
from common.files.images import IGNORE_INDEX, read_grey, read_indexed
from report.run.choice import even
from report.run.reading import Curves, Scored, Stage, seconds_of, short_commit
from stages.files import InputError, cite

SAMPLED = 200  # files of a folder that are looked at, evenly spaced: finds a share of 2 % and takes seconds
MOST_IGNORED = 70.0  # percent: NSRM's masked labels ignore up to a half on purpose, IRN's a third
MOST_EMPTY_LABELS = 0.2  # share of labels without any object, though the list names a class for each image
MOST_EMPTY_MAPS = 0.02  # share of constant maps; a class activation map of a trained network is never constant
FEWEST_IMAGES = 5  # of a class among those sampled, before its absence means anything
MOST_WAITING = 0.2  # share of a training's time spent waiting for data
RISEN = 1.1  # a loss that ends above this many times its beginning did not learn
ENDS = 0.1  # share of a curve whose mean is its beginning or its end
LABELLERS = ("seg.predict", "irn.walk", "irn.seed")  # besides all of pseudo
MAPPERS = ("cls.infer", "fbr.refine")
FEW_PIXELS = "The mIoU leaves ignored pixels out: few remain to be scored, and few for a network to learn from."
NEVER = "A class missing from the labels cannot be learned from them; each counts as 0 in the mean IoU."


class Finding(NamedTuple):
    """A likely problem: what was found, and why it matters or what to do."""

    text: str
    reason: str


def findings(
    run: Path, dataset: DataSet | None, stages: list[Stage], scored: list[Scored], curves: dict[str, Curves]
) -> list[Finding]:
    """All likely problems of a run. curves: {folder: curves} of its trainings; dataset: None if it is not there."""
    found = [*unfinished(stages), *older_than_inputs(run, stages), *changed_inputs(stages), *commits(stages)]
    found += scores(scored)
    known = {each.folder for each in scored}
    for stage in stages:
        is_label = stage.command.startswith("pseudo.") or stage.command in LABELLERS
        try:
            if stage.record["finished"] and stage.command in MAPPERS:
                found += empty_maps(run, stage)
            if stage.record["finished"] and is_label and dataset and stage.arguments.get("split"):  # no photographs
                found += labels(run, stage, dataset, stage.folder in known)
        except InputError as error:
            found.append(Finding(f"{stage.folder}: could not be checked", str(error)))
    for folder, each in curves.items():
        found += [*waiting(folder, each), *risen(folder, each)]
    return found


def unfinished(stages: Iterable[Stage]) -> Iterator[Finding]:
    """Stages that have not finished."""
    if names := [stage.folder for stage in stages if not stage.record["finished"]]:
        reason = "The same command resumes them; until then this page shows what they have so far."
        yield Finding(f"Not finished: {', '.join(names)}", reason)


def older_than_inputs(run: Path, stages: list[Stage]) -> Iterator[Finding]:
    """Stages that started before one of their inputs, a stage of the same run, had finished."""
    for stage in stages:
        begun = seconds_of(stage.record["started"])
        for source in inputs_of(run, stage, stages):
            done = seconds_of(source.record["finished"])
            if begun is not None and done is not None and done > begun:
                times = f"It started {stage.record['started']}, the input finished {source.record['finished']}."
                reason = f"{times} Its result belongs to an input that no longer exists; run it again with --force."
                yield Finding(f"{stage.folder} is older than its input {source.folder}", reason)


def inputs_of(run: Path, stage: Stage, stages: Iterable[Stage]) -> list[Stage]:
    """The stages of the run that a stage read: those whose folder, or a file in it, an input names."""
    named = {path for path in (stage.arguments.get(name) for name in stage.record["inputs"]) if isinstance(path, str)}
    places = {place.parts for path in named for place in (Path(path), Path(path).parent)}

    def is_read(other):
        end = (run.resolve().name, *Path(other.folder).parts)
        return any(place[-len(end) :] == end for place in places)

    return [other for other in stages if other.folder != stage.folder and is_read(other)]


def changed_inputs(stages: Iterable[Stage]) -> Iterator[Finding]:
    """Inputs that had different contents for different stages."""
    readers = {}  # {path, what was read of it: {SHA-256: folders of stages}}
    for stage in stages:
        for name, content in stage.record["inputs"].items():
            part = (str(content["reads"]), str(stage.arguments.get("split"))) if "reads" in content else ()
            digests = readers.setdefault((str(stage.arguments.get(name)), part), {})
            digests.setdefault(str(content.get("sha256")), []).append(stage.folder)
    reason = "It changed in between, so their results do not belong together. Run the older ones again with --force."
    for (path, _), digests in readers.items():
        if len(digests) > 1:
            readers_of_each = " and another for ".join(map(", ".join, digests.values()))
            yield Finding(f"{path} had one content for {readers_of_each}", reason)


def commits(stages: Iterable[Stage]) -> Iterator[Finding]:
    """Stages made by different versions of the code, or by code with uncommitted changes."""
    makers = {}
    for stage in stages:
        if stage.commit:
            makers.setdefault(stage.commit, []).append(stage.folder)
    if len(makers) > 1:
        parts = [f"{short_commit(commit)}: {', '.join(folders)}" for commit, folders in makers.items()]
        yield Finding("Stages were made by different commits", "; ".join(parts))
    if dirty := [folder for commit, folders in makers.items() if commit.endswith("-dirty") for folder in folders]:
        yield Finding(f"Made with uncommitted changes: {', '.join(dirty)}", "Nobody can check out the code they ran.")


def scores(scored: Iterable[Scored]) -> Iterator[Finding]:
    """Labels that are almost entirely ignored, and classes in some image's ground truth that are never right."""
    for each in scored:
        ignored = each.scores["ignored"]
        if ignored and ignored > MOST_IGNORED:
            yield Finding(f"{each.folder}: {ignored:.1f} % of the pixels are ignored", FEW_PIXELS)
        there = {name for line in each.images for name in line["class_iou"]}
        missed = [name for name, iou in each.scores.get("class_iou", {}).items() if iou == 0 and name in there]
        if missed:
            yield Finding(f"{each.folder}: never predicted, or never right: {', '.join(missed)} (IoU 0)", NEVER)


def labels(run: Path, stage: Stage, dataset: DataSet, is_scored: bool) -> Iterator[Finding]:
    """Problems of a sample of labels or predictions; if they are scored, those that the scores do not show.

    Raises InputError if the list or a label is unusable.
    """
    paths = {item: run / stage.folder / f"{item.id}.png" for item in dataset.split(str(stage.arguments["split"]))}
    items = even([item for item, path in paths.items() if path.exists()], SAMPLED)
    counts = [np.bincount(read_indexed(paths[item]).ravel(), minlength=256) for item in items]
    total = sum(counts, np.zeros(256, np.int64))  # pixels of each value
    ignored = 100 * total[IGNORE_INDEX] / max(1, total.sum())
    if ignored > MOST_IGNORED and not is_scored:
        yield Finding(f"{stage.folder}: {ignored:.1f} % of the pixels are ignored", FEW_PIXELS)
    empty = sum(bool(item.classes) and not count[1:IGNORE_INDEX].any() for item, count in zip(items, counts))
    if empty > MOST_EMPTY_LABELS * len(items):
        reason = "The list names at least one class for each of these images, but no pixel has one."
        yield Finding(f"{stage.folder}: {empty} of {len(items)} labels looked at hold no object", reason)
    images = np.bincount([cls for item in items for cls in item.classes], minlength=len(dataset.classes))
    names = enumerate(dataset.classes)
    missing = [name for cls, name in names if images[cls] >= FEWEST_IMAGES and not total[cls + 1]]
    if missing and not is_scored:
        how = f"in none of {len(items)} labels looked at"
        yield Finding(f"{stage.folder}: never predicted: {', '.join(missing)} ({how})", NEVER)


def empty_maps(run: Path, stage: Stage) -> Iterator[Finding]:
    """Maps that are constant. Raises InputError if one cannot be read."""
    paths = even(sorted((run / stage.folder).glob("*_*.png")), SAMPLED)
    empty = [path.name for path in paths if np.ptp(read_grey(path)) == 0]
    if len(empty) > MOST_EMPTY_MAPS * len(paths):
        reason = "A constant map does not show where its class is, so no label can take the class from it."
        if len(empty) > len(paths) / 2:
            reason += " With so many of them, the network may have collapsed."
        text = f"{stage.folder}: {len(empty)} of {len(paths)} maps looked at are constant ({cite(empty)})"
        yield Finding(text, reason)


def waiting(folder: str, curves: Curves) -> Iterator[Finding]:
    """A training that spent much of its time waiting for data."""
    share = curves.get("waiting for data", [(0, 0.0)])[-1][1]
    if share > MOST_WAITING:
        text = f"{folder}: {100 * share:.0f} % of the time was spent waiting for data"
        yield Finding(text, "More --workers or a faster disk would make this training shorter.")


def risen(folder: str, curves: Curves) -> Iterator[Finding]:
    """Losses that end above where they began."""
    for name, points in curves.items():
        values = [value for _, value in points]
        while values and values[0] == 0:  # a loss that sets in later
            values = values[1:]
        if not name.startswith("loss/") or len(values) < 10:
            continue
        count = round(ENDS * len(values))
        begin, end = np.mean(values[:count]), np.mean(values[-count:])
        if end > RISEN * begin > 0:
            text = f"{folder}: the {name.removeprefix('loss/')} loss ended at {end:.3g}, it began at {begin:.3g}"
            yield Finding(text, "Another learning rate or seed may help; look at its curve below.")

"""A run as the reports read it: the records of its stages, its scores, the logs of its trainings."""

import json
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from common.files.dataset import DataSet
from evaluate.scores import read_scores
from report.tables import summary
from stages.files import InputError, read_json

CURVE_POINTS = 10_000  # of each scalar of a log, more than LOG_EVERY leaves of the paper's trainings
FIELDS = {"command": str, "arguments": dict, "inputs": dict, "versions": dict, "started": str}

Curves = dict[str, list[tuple[int, float]]]  # {"loss/classification": [(iteration, value), …], "lr": …}


class Stage(NamedTuple):
    """A folder that a command wrote."""

    folder: str  # below the run, such as "cls" or "scores/cam"
    record: dict[str, Any]  # its stage.json

    @property
    def command(self) -> str:
        return self.record["command"]

    @property
    def arguments(self) -> dict[str, Any]:
        return self.record["arguments"]

    @property
    def commit(self) -> str | None:
        """The commit that made it, followed by -dirty if the code had other changes; None outside a repository."""
        return self.record["versions"].get("commit")

    @property
    def seconds(self) -> float | None:
        """Time from start to end, interruptions included; None if it has not finished."""
        start, end = seconds_of(self.record["started"]), seconds_of(self.record["finished"])
        return None if start is None or end is None else end - start


class Scored(NamedTuple):
    """A folder of maps, labels or predictions that evaluate.labels has scored."""

    folder: str  # below the run, such as "pred2_val"
    title: str  # such as "prediction, round 2"
    split: str  # whose ground truth it was scored with
    scores: dict[str, Any]  # scores.json
    images: list[dict[str, Any]]  # images.jsonl, one line per image


def seconds_of(moment: object) -> float | None:
    """The time "2026-01-31 12:00:00" of a record in seconds; None if it is no such time."""
    try:
        return datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def read_stage(run: Path, folder: str) -> Stage:
    """The stage in <run>/<folder>. Raises InputError if its record is not one of a stage."""
    path = run / folder / "stage.json"
    found = read_json(path)
    whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in FIELDS.items())
    inputs = found["inputs"].values() if whole else []
    if not (whole and "finished" in found and all(isinstance(each, dict) and "sha256" in each for each in inputs)):
        raise InputError(f"{path}: expected the record of a stage")
    return Stage(folder, found)


def read_stages(run: Path) -> list[Stage]:
    """The stages in <run>/* and <run>/scores/*, by their start, finished or not. Raises InputError if there is none."""
    paths = [*run.glob("*/stage.json"), *run.glob("scores/*/stage.json")]
    stages = [read_stage(run, str(path.parent.relative_to(run))) for path in sorted(paths)]
    if not stages:
        raise InputError(f"{run}: expected a run, folders with the stage.json of a command")
    return sorted(stages, key=lambda stage: stage.record["started"])  # stable: equal times stay sorted by name


def read_scored(run: Path) -> list[Scored]:
    """The folders of a run that evaluate.labels scored: the method's in its order, then the rest by name.

    Raises InputError if scores or a record are unusable.
    """
    splits = {
        stage.folder.removeprefix("scores/"): str(stage.arguments.get("split"))
        for stage in read_stages(run)
        if stage.command == "evaluate.labels" and (run / stage.folder / "scores.json").exists()
    }
    titles = titles_of(run, set(splits.values()))
    titles |= {name: name for name in sorted(splits.keys() - titles.keys())}
    scored = []
    for name in [name for name in titles if name in splits]:
        folder = run / "scores" / name
        scores, images = read_scores(folder / "scores.json"), read_images(folder / "images.jsonl")
        scored.append(Scored(name, titles[name], splits[name], scores, images))
    return scored


def titles_of(run: Path, splits: Iterable[str]) -> dict[str, str]:
    """{folder: title} of what the method scores, in its order; predictions may be named after any of `splits`."""
    rows = [row for split in sorted(splits) for row in summary.rows_of(run, split)]
    return {row.folder: row.title for part in ("train", "val") for row in rows if row.part == part}


def read_images(path: Path) -> list[dict[str, Any]]:
    """The lines of an images.jsonl, {"id", "mean_iou", "ignored", "class_iou"}: percent, or None where undefined."""
    try:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        numbers = [[line["mean_iou"], line["ignored"], *line["class_iou"].values()] for line in found]
        if all(isinstance(line["id"], str) for line in found) and all(
            number is None or math.isfinite(number) for line in numbers for number in line
        ):
            return found
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        pass
    raise InputError(f"{path}: expected the scores of images, as evaluate.labels writes them")


def data_of(stages: Iterable[Stage], data: Path | None = None) -> DataSet | None:
    """The data set `data`, or the one named by the run's records; None if that no longer exists.

    Raises InputError if it is not a data set.
    """
    named = [Path(stage.arguments["data"]) for stage in stages if isinstance(stage.arguments.get("data"), str)]
    data = data or next((path for path in named if (path / "classes.txt").exists()), None)
    return None if data is None else DataSet(data)


def read_curves(folder: Path) -> Curves:
    """The scalars in a training's log; {} without a log. Raises InputError if the log is damaged."""
    if not any(folder.glob("tensorboard/events.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # slow to import

    log = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": CURVE_POINTS})
    try:
        log.Reload()
        return {name: [(event.step, event.value) for event in log.Scalars(name)] for name in log.Tags()["scalars"]}
    except Exception as error:  # a damaged log raises whatever its parts do
        raise InputError(f"{folder / 'tensorboard'}: expected a log of TensorBoard ({error})") from None


def short_commit(commit: str) -> str:
    """A commit's first ten digits, and -dirty if there were changes."""
    return commit.removesuffix("-dirty")[:10] + ("-dirty" if commit.endswith("-dirty") else "")


def duration(seconds: float | None) -> str:
    """A time as h:mm:ss, with days if need be; a dash for None."""
    return "–" if seconds is None else str(timedelta(seconds=round(seconds)))


def argument_text(value: object) -> str:
    """The value of an argument for a reader: lists without brackets, yes and no, a dash for None."""
    if isinstance(value, list):
        return " ".join(map(argument_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)

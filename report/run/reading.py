"""A run as the reports read it: its stages' records, its scores, the logs of its trainings."""

import json
import os
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from common.dataset import DataSet
from common.scores import read_scores
from report.tables import summary
from stages.files import InputError, read_json
from stages.record import KEYS

CURVE_POINTS = 10_000  # of each scalar of a log, more than LOG_EVERY leaves of the paper's trainings


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
    def seconds(self) -> float | None:
        """From its start to its end, interruptions included; None if it has not ended."""
        start, end = seconds_of(self.record["started"]), seconds_of(self.record["finished"])
        return None if start is None or end is None else end - start


class Scored(NamedTuple):
    """A folder of maps, labels or predictions that seg.evaluate has scored."""

    folder: str  # below the run, such as "pred2_val"
    title: str  # such as "prediction, round 2"
    split: str  # whose ground truth it was scored with
    scores: dict[str, Any]  # scores.json
    images: list[dict[str, Any]]  # images.jsonl, one for each image; empty if an earlier version scored


def seconds_of(moment: object) -> float | None:
    """A record's time of day, "2026-01-31 12:00:00", in seconds; None if it is none."""
    try:
        return time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S"))
    except (TypeError, ValueError, OverflowError):
        return None


def read_stage(run: Path, folder: str) -> Stage:
    """The stage in <run>/<folder>. Raises InputError if its record is not one of a stage."""
    path = run / folder / "stage.json"
    found = read_json(path)
    whole = isinstance(found, dict) and found.keys() >= KEYS and isinstance(found["command"], str)
    if not (whole and isinstance(found["arguments"], dict) and isinstance(found["inputs"], dict)):
        raise InputError(f"{path}: expected the record of a stage")
    return Stage(folder, found)


def read_stages(run: Path) -> list[Stage]:
    """The stages in <run>/* and <run>/scores/*, by their start, finished or not. Raises InputError if there is none."""
    paths = [*run.glob("*/stage.json"), *run.glob("scores/*/stage.json")]
    stages = [read_stage(run, str(path.parent.relative_to(run))) for path in sorted(paths)]
    if not stages:
        raise InputError(f"{run}: expected a run, folders with the stage.json of a command")
    return sorted(stages, key=lambda stage: str(stage.record["started"]))  # stable: equal times stand by name


def read_scored(run: Path) -> list[Scored]:
    """What seg.evaluate scored of a run, in the method's order, then others by name.

    Raises InputError if scores or a record are unusable.
    """
    found = {}
    for path in sorted(run.glob("scores/*/scores.json")):
        name = path.parent.name
        if (path.parent / "stage.json").exists():
            stage = read_stage(run, f"scores/{name}")
            if stage.command == "seg.evaluate":
                found[name] = (read_scores(path), str(stage.arguments.get("split")), path.with_name("images.jsonl"))
    titles = titles_of(run, {split for _, split, _ in found.values()})
    order = [name for name in titles if name in found] + [name for name in found if name not in titles]
    return [
        Scored(name, titles.get(name, name), found[name][1], found[name][0], read_images(found[name][2]))
        for name in order
    ]


def titles_of(run: Path, splits: Iterable[str]) -> dict[str, str]:
    """{folder: title} of what the method scores, in its order; predictions may be named after any of `splits`."""
    rows = [row for split in sorted(splits) for row in summary.rows_of(run, split)]
    return {row.folder: row.title for part in ("train", "val") for row in rows if row.part == part}


def read_images(path: Path) -> list[dict[str, Any]]:
    """The lines of an images.jsonl, {"id", "mean_iou", "ignored", "class_iou"}; none if there is no such file."""
    if not path.exists():
        return []
    number = (int, float, type(None))
    types = {"id": str, "mean_iou": number, "ignored": number, "class_iou": dict}
    try:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        if all(isinstance(line[key], kind) for line in found for key, kind in types.items()):
            return found
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(f"{path}: expected the scores of images, as seg.evaluate writes them")


def data_of(stages: Iterable[Stage], data: Path | None = None) -> DataSet | None:
    """The data set `data`, or the one that the run's records name; None if that is not there.

    Raises InputError if it is no data set.
    """
    named = [Path(stage.arguments["data"]) for stage in stages if isinstance(stage.arguments.get("data"), str)]
    if data is None:
        data = next((path for path in named if (path / "classes.txt").exists()), None)
    return None if data is None else DataSet(data)


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars in a training's log, {"loss/classification": [(iteration, value), …], "lr": …}; {} without a log."""
    if not any(folder.glob("tensorboard/events.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # slow to import

    log = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": CURVE_POINTS})
    try:
        log.Reload()
        names = log.Tags()["scalars"]
        return {name: [(event.step, event.value) for event in log.Scalars(name)] for name in names}
    except Exception as error:  # of a damaged log it raises whatever its parts do
        raise InputError(f"{folder / 'tensorboard'}: expected a log of TensorBoard ({error})") from None


def recorded_run(stage: Stage) -> Iterator[str]:
    """Yields the run's folder as it was named when the stage ran, from the --out of its call."""
    with suppress(ValueError, IndexError):  # no call, or one without --out
        words = shlex.split(str(stage.record.get("call", "")).replace("--out=", "--out "))
        place = len(words) - words[::-1].index("--out")  # of several, as scripts give them, the last one counts
        out, end = Path(words[place]).parts, Path(stage.folder).parts
        if out[-len(end) :] == end and out != end:
            yield os.path.join(*out[: -len(end)])


def commit_of(stage: Stage) -> str | None:
    """The commit that made a stage, with -dirty behind it if there were changes; None if the record has none."""
    versions = stage.record.get("versions")
    commit = versions.get("commit") if isinstance(versions, dict) else None
    return commit if isinstance(commit, str) and commit else None


def short_commit(commit: str) -> str:
    """A commit's first ten digits, and -dirty if there were changes."""
    return commit.removesuffix("-dirty")[:10] + ("-dirty" if commit.endswith("-dirty") else "")


def duration(seconds: float | None) -> str:
    """A time in words: 42 s, 3 min 12 s, 5 h 20 min, 2 d 3 h; a dash for None."""
    if seconds is None:
        return "–"
    seconds = round(seconds)
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def argument_text(value: object) -> str:
    """An argument's value as a person reads it: lists without brackets, yes and no, a dash for none."""
    if isinstance(value, list):
        return " ".join(map(argument_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)

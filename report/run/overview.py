"""The content of the first page of report.run.html: facts, the quality of each stage, classes, curves, stages."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.files.dataset import DataSet
from evaluate.scores import by_threshold
from report.run.charts import draw
from report.run.reading import Curves, Scored, Stage, duration, short_commit
from report.run.templating import listed
from report.tables.summary import said_of

KINDS = ("simple", "complex")  # images of one class, of two or more


def facts(run: Path, dataset: DataSet | None, stages: list[Stage]) -> dict[str, str]:
    """{name: value} of the run: data, commit, machine, time."""
    done = [stage for stage in stages if stage.seconds is not None]
    found = {"Run": str(run), "Data set": listed(stage.arguments.get("data") for stage in stages)}
    if dataset:
        lists = {path.stem: len(dataset.split(path.stem)) for path in sorted(dataset.root.glob("lists/*.txt"))}
        found["Classes"] = str(len(dataset.classes))
        found["Images"] = ", ".join(f"{name} {count}" for name, count in lists.items())
    return found | {
        "Commit": listed(short_commit(stage.commit) for stage in stages if stage.commit),
        "Machine": listed(stage.record.get("machine") for stage in stages),
        "From": stages[0].record["started"],
        "To": max((str(stage.record["finished"]) for stage in done), default="not finished"),
        "Time in stages": duration(sum(stage.seconds for stage in done)),
        "Stages": f"{len(done)} of {len(stages)} finished",
        "Seed": listed(stage.arguments.get("seed") for stage in stages),
    }


def headline(scored: Sequence[Scored]) -> Scored | None:
    """The run's main result: the last prediction of a split that no label was made for, else what was scored last."""
    predictions = [each for each in scored if each.folder.startswith("pred")]
    trained = {each.split for each in scored if each.folder.startswith(("label_", "cam"))}
    unseen = [each for each in predictions if each.split not in trained]
    return (unseen or predictions or list(scored) or [None])[-1]


def quality(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """A part for each split that was scored, {"split", "images", "rows"}, training images first.

    A row is (title, scores, whether it belongs to the row above); maps have one for each threshold that was chosen.
    """
    parts = {}
    for each in scored:
        part = parts.setdefault(each.split, {"split": each.split, "images": images_of(each.scores), "rows": []})
        rows = enumerate(by_threshold(each.scores).items())
        part["rows"] += [(each.title + said_of(cut, found), found, number > 0) for number, (cut, found) in rows]
    return [*parts.values()]


def images_of(scores: dict[str, Any]) -> str:
    """The number of scored images: "600 images, 295 simple and 305 complex"."""
    kinds = [f"{scores[kind]['images']} {kind}" for kind in KINDS if "images" in scores.get(kind, {})]
    return f"{scores.get('images', '–')} images" + (f", {' and '.join(kinds)}" if kinds else "")


def class_table(scored: Sequence[Scored]) -> list[tuple[str, list[float | None]]]:
    """(class, its IoU in each scored folder), in the data set's order."""
    names = list(dict.fromkeys(name for each in scored for name in each.scores.get("class_iou", {})))
    return [(name, [each.scores.get("class_iou", {}).get(name) for each in scored]) for name in names]


def training_charts(folder: str, curves: Curves) -> list[tuple[str, Markup]]:
    """(title, chart) of each scalar in a training's log: losses, what was watched, learning rate, waiting."""
    last = {"lr": "learning rate", "waiting for data": "share of time spent waiting for data"}
    order = sorted(curves, key=lambda name: ([*last].index(name) + 2 if name in last else not name.startswith("loss/")))
    charts = []
    for name in order:
        points = sorted(curves[name])
        title = f"{name.removeprefix('loss/')} loss" if name.startswith("loss/") else last.get(name, name)
        ylim = (0, 1) if name == "waiting for data" else None
        charts.append((title, draw(points, f"{folder}: {title}", name not in last and len(points) >= 10, ylim)))
    return charts


def contents(
    run: Path, out: Path, dataset: DataSet | None, stages: list[Stage], scored: list[Scored], curves: dict[str, Curves]
) -> dict[str, Any]:
    """All that templates/index.html shows, but for the likely problems and the gallery."""
    running = {stage.folder for stage in stages if not stage.record["finished"]}
    return {
        "facts": facts(run, dataset, stages),
        "headline": headline(scored),
        "quality": quality(scored),
        "class_columns": scored,
        "class_table": class_table(scored),
        "trainings": [
            {"folder": folder, "running": folder in running, "charts": training_charts(folder, each)}
            for folder, each in curves.items()
        ],
        "stages": stages,
        "nested": {page.parts[-3]: os.path.relpath(page, out) for page in sorted(run.glob("*/report/index.html"))},
    }

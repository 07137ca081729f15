"""What the first page of report.run.html shows: facts, the quality of each stage, classes, curves, stages."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.files.dataset import DataSet
from evaluate.scores import by_threshold
from report.run.charts import Bar, Curve, bars, lines, smooth
from report.run.reading import Curves, Scored, Stage, argument_text, duration, short_commit

KINDS = ("simple", "complex")  # images of one class, of two or more
KIND_SERIES = {"simple": 2, "complex": 1}  # colours in the charts


def facts(run: Path, dataset: DataSet | None, stages: list[Stage]) -> list[tuple[str, str]]:
    """(name, value) of what the run is: data, commit, machine, time."""

    def unique(values):
        return ", ".join(dict.fromkeys(str(value) for value in values if value is not None)) or "–"

    done = [stage for stage in stages if stage.seconds is not None]
    found = [("Run", str(run)), ("Data set", unique(stage.arguments.get("data") for stage in stages))]
    if dataset:
        lists = {path.stem: len(dataset.split(path.stem)) for path in sorted(dataset.root.glob("lists/*.txt"))}
        found.append(("Classes", str(len(dataset.classes))))
        found.append(("Images", ", ".join(f"{name} {count}" for name, count in lists.items())))
    found.append(("Commit", unique(short_commit(stage.commit) for stage in stages if stage.commit)))
    found.append(("Machine", unique(stage.record.get("machine") for stage in stages)))
    found.append(("From", stages[0].record["started"]))
    found.append(("To", max((str(stage.record["finished"]) for stage in done), default="not finished")))
    found.append(("Time in stages", duration(sum(stage.seconds for stage in done))))
    found.append(("Stages", f"{len(done)} of {len(stages)} finished"))
    return [*found, ("Seed", unique(stage.arguments.get("seed") for stage in stages))]


def headline(scored: Sequence[Scored]) -> Scored | None:
    """The run's main result: the last prediction of a split that no label was made for, else what was scored last."""
    predictions = [each for each in scored if each.folder.startswith("pred")]
    trained = {each.split for each in scored if each.folder.startswith(("label_", "cam"))}
    unseen = [each for each in predictions if each.split not in trained]
    return (unseen or predictions or list(scored) or [None])[-1]


def quality_rows(each: Scored) -> list[dict[str, Any]]:
    """The rows of a scored folder: its scores and, for maps, those at the fixed threshold as well.

    Each is {"title", "threshold": as text, "beside": whether it belongs to the row above, "scores"}.
    """
    rows = []
    for cut, found in by_threshold(each.scores).items():
        given = (each.scores.get("fixed") or {}).get("from")
        origin = {"": "", "best": ", best on this ground truth", "fixed": ", fixed"}[cut]
        origin += f", from {given}" if cut == "fixed" and given not in (None, "--threshold", "the method") else ""
        threshold = f"{found['threshold']:g}{origin}" if cut else ""
        rows.append({"title": each.title, "threshold": threshold, "beside": bool(rows), "scores": found})
    return rows


def quality(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """A part for each split that was scored, {"split", "images", "rows", "chart"}, training images first."""
    parts = []
    for split, members in by_split(scored).items():
        rows = [row for each in members for row in quality_rows(each)]
        drawn = [
            Bar(
                f"at {row['scores']['threshold']:g}, fixed" if row["beside"] else row["title"],
                row["scores"]["mean_iou"],
                {KIND_SERIES[kind]: row["scores"].get(kind, {}).get("mean_iou") for kind in KINDS},
                row["beside"],
            )
            for row in rows
        ]
        chart = bars(drawn, f"mIoU of each stage on {split}, in percent")
        parts.append({"split": split, "images": images_of(members[0].scores), "rows": rows, "chart": chart})
    return parts


def by_split(scored: Iterable[Scored]) -> dict[str, list[Scored]]:
    """What was scored on each split."""
    found = {}
    for each in scored:
        found.setdefault(each.split, []).append(each)
    return found


def images_of(scores: dict[str, Any]) -> str:
    """How many images were scored: "600 images, 295 simple and 305 complex"."""
    kinds = [f"{scores[kind]['images']} {kind}" for kind in KINDS if "images" in scores.get(kind, {})]
    return f"{scores.get('images', '–')} images" + (f", {' and '.join(kinds)}" if kinds else "")


def class_chart(each: Scored) -> Markup:
    """Bars of each class's IoU, the best first, with a line at their mean."""
    rows = [Bar(name, value) for name, value in each.scores["class_iou"].items()]
    rows.sort(key=lambda row: -1 if row.value is None else row.value, reverse=True)
    return bars(rows, f"IoU of each class, {each.title} on {each.split}, in percent", line=each.scores["mean_iou"])


def class_table(scored: Sequence[Scored]) -> list[tuple[str, list[float | None]]]:
    """(class, its IoU in each scored folder), in the data set's order."""
    names = list(dict.fromkeys(name for each in scored for name in each.scores.get("class_iou", {})))
    return [(name, [each.scores.get("class_iou", {}).get(name) for each in scored]) for name in names]


def threshold_charts(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """For each split, a chart of the mIoU of maps over their threshold: {"split", "chart", "names"}."""
    charts = []
    for split, members in by_split(each for each in scored if len(each.scores.get("thresholds", [])) > 1).items():
        curves = [threshold_curve(each, series) for series, each in enumerate(members)]
        chart = lines(curves, f"mIoU over the threshold of class maps on {split}", "threshold", xlim=(0, 1))
        charts.append({"split": split, "chart": chart, "names": [each.title for each in members]})
    return charts


def threshold_curve(each: Scored, series: int) -> Curve:
    """The curve of one folder of maps: a full dot at the best threshold, a hollow one at the fixed one."""
    rows, fixed = each.scores["thresholds"], each.scores.get("fixed")
    points, hollow = (
        [(row["threshold"], row["mean_iou"]) for row in found if row and row["mean_iou"] is not None]
        for found in (rows, [fixed])
    )
    return Curve(points, series, full=[max(points, key=lambda point: point[1])] if points else [], hollow=hollow)


def training_charts(folder: str, curves: Curves) -> list[tuple[str, Markup]]:
    """(title, chart) of each scalar in a training's log: losses, what was watched, learning rate, waiting."""
    last = {"lr": "learning rate", "waiting for data": "share of time spent waiting for data"}
    order = sorted(curves, key=lambda name: ([*last].index(name) + 2 if name in last else not name.startswith("loss/")))
    charts = []
    for name in order:
        points = sorted(curves[name])
        drawn = [Curve(points)]
        if name not in last and len(points) >= 10:
            drawn = [Curve(points, faint=True), Curve(smooth(points))]
        ranges = {"ylim": (0, 1)} if name == "waiting for data" else {}
        title = f"{name.removeprefix('loss/')} loss" if name.startswith("loss/") else last.get(name, name)
        charts.append((title, lines(drawn, f"{folder}: {title}", "iteration", **ranges)))
    return charts


def stage_rows(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """What the table of stages shows of each."""
    return [
        {
            **stage.record,
            "folder": stage.folder,
            "time": duration(stage.seconds),
            "arguments": {name: argument_text(value) for name, value in sorted(stage.arguments.items())},
            "commit": short_commit(stage.commit or "–"),
        }
        for stage in stages
    ]


def contents(
    run: Path, out: Path, dataset: DataSet | None, stages: list[Stage], scored: list[Scored], curves: dict[str, Curves]
) -> dict[str, Any]:
    """All that templates/index.html shows, but for the likely problems and the gallery."""
    last = headline(scored)
    running = {stage.folder for stage in stages if not stage.record["finished"]}
    return {
        "facts": facts(run, dataset, stages),
        "headline": last,
        "quality": quality(scored),
        "class_chart": class_chart(last) if last and last.scores.get("class_iou") else None,
        "class_columns": scored,
        "class_table": class_table(scored),
        "thresholds": threshold_charts(scored),
        "trainings": [
            {"folder": folder, "running": folder in running, "charts": training_charts(folder, each)}
            for folder, each in curves.items()
        ],
        "stages": stage_rows(stages),
        "nested": {page.parts[-3]: os.path.relpath(page, out) for page in sorted(run.glob("*/report/index.html"))},
    }

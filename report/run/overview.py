"""What the first page of report.run.html shows: facts, the quality of each stage, classes, curves, stages."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.dataset import DataSet
from common.scores import cuts
from report.run.charts import Bar, Line, Mark, bars, lines, smooth, thin
from report.run.checks import Curves
from report.run.reading import Scored, Stage, argument_text, commit_of, duration, short_commit

KINDS = ("simple", "complex")  # of images: of one class, of two or more
KIND_SERIES = {"simple": 2, "complex": 1}  # colours in the charts


def facts(run: Path, dataset: DataSet | None, stages: list[Stage]) -> list[tuple[str, str]]:
    """(name, value) of what the run is: data, commit, machine, time."""
    named = sorted({str(stage.arguments["data"]) for stage in stages if stage.arguments.get("data")})
    done = [stage for stage in stages if stage.seconds is not None]
    machines = sorted({str(stage.record["machine"]) for stage in stages if stage.record.get("machine")})
    commits = list(dict.fromkeys(short_commit(commit) for stage in stages if (commit := commit_of(stage))))
    begun = min(str(stage.record["started"]) for stage in stages)
    ended = max((str(stage.record["finished"]) for stage in done), default="not finished")
    seeds = sorted({str(stage.arguments["seed"]) for stage in stages if "seed" in stage.arguments})
    found = [("Run", str(run)), ("Data set", ", ".join(named) or "–")]
    if dataset:
        names = ", ".join(f"{name} {count}" for name, count in lists_of(dataset).items())
        found += [("Classes", str(len(dataset.classes))), ("Images", names)]
    found += [("Commit", ", ".join(commits) or "–"), ("Machine", "; ".join(machines) or "–")]
    found += [("From", begun), ("To", ended), ("Time in stages", duration(sum(stage.seconds for stage in done)))]
    return [*found, ("Stages", f"{len(done)} of {len(stages)} finished"), ("Seed", ", ".join(seeds) or "–")]


def lists_of(dataset: DataSet) -> dict[str, int]:
    """{split: number of images} of a data set's lists. Raises InputError if one cannot be read."""
    return {path.stem: len(dataset.split(path.stem)) for path in sorted((dataset.root / "lists").glob("*.txt"))}


def headline(scored: Sequence[Scored]) -> Scored | None:
    """The run's last word: the last prediction of a split that no label was made for, else the last that was scored."""
    predictions = [each for each in scored if each.folder.startswith("pred")]
    trained = {each.split for each in scored if each.folder.startswith(("label_", "cam"))}
    unseen = [each for each in predictions if each.split not in trained]
    return (unseen or predictions or list(scored) or [None])[-1]


def quality_rows(each: Scored) -> list[dict[str, Any]]:
    """The rows of a scored folder: its scores and, for maps, those at the fixed threshold if they are others.

    Each is {"title", "threshold": what is to be said of it, "beside": whether it stands below another, "scores"}.
    """
    rows = []
    for cut, found in cuts(each.scores).items():
        given = (each.scores.get("fixed") or {}).get("from")
        origin = {"": "", "best": ", best on this ground truth", "fixed": ", fixed"}[cut]
        origin += f", from {given}" if cut == "fixed" and given not in (None, "--threshold", "the method") else ""
        threshold = f"{found['threshold']:g}{origin}" if cut else ""
        rows.append({"title": each.title, "threshold": threshold, "beside": bool(rows), "scores": found})
    return rows


def quality(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """A part for each split that was scored, {"split", "images", "rows", "chart"}, training images first."""
    by_split = {}
    for each in scored:
        by_split.setdefault(each.split, []).append(each)
    parts = []
    for split, members in by_split.items():
        rows = [row for each in members for row in quality_rows(each)]
        title = f"mIoU of each stage on {split}, in percent"
        chart = bars([quality_bar(row) for row in rows], title)
        parts.append({"split": split, "images": images_of(members[0].scores), "rows": rows, "chart": chart})
    return parts


def images_of(scores: dict[str, Any]) -> str:
    """How many images were scored: "600 images, 295 simple and 305 complex"."""
    kinds = [f"{scores[kind]['images']} {kind}" for kind in KINDS if "images" in scores.get(kind, {})]
    return f"{scores.get('images', '–')} images" + (f", {' and '.join(kinds)}" if kinds else "")


def quality_bar(row: dict[str, Any]) -> Bar:
    """The bar of a row of the quality table: mIoU of all images, with marks for simple and complex ones."""
    scores = row["scores"]
    at = f" at threshold {row['threshold']}" if row["threshold"] else ""
    marks = []
    for kind, series in KIND_SERIES.items():
        value = scores.get(kind, {}).get("mean_iou")
        if value is not None:
            marks.append(Mark(value, f"{row['title']}{at}: {kind} images {value:.2f} %", series))
    value = "–" if scores["mean_iou"] is None else f"{scores['mean_iou']:.2f} %"
    label = f"at {scores['threshold']:g}, fixed" if row["beside"] else row["title"]
    return Bar(label, scores["mean_iou"], f"{row['title']}{at}: all images {value}", marks, row["beside"])


def class_chart(each: Scored) -> Markup:
    """Bars of each class's IoU, the best first, with a line at their mean."""
    iou = each.scores.get("class_iou", {})
    order = sorted(iou, key=lambda name: -1 if iou[name] is None else iou[name], reverse=True)
    texts = {name: "–" if iou[name] is None else f"{iou[name]:.2f} %" for name in order}
    rows = [Bar(name, iou[name], f"{name}: {texts[name]}") for name in order]
    return bars(rows, f"IoU of each class, {each.title} on {each.split}, in percent", line=each.scores["mean_iou"])


def class_table(scored: Sequence[Scored]) -> list[tuple[str, list[float | None]]]:
    """(class, its IoU in each scored folder), in the data set's order."""
    names = list(dict.fromkeys(name for each in scored for name in each.scores.get("class_iou", {})))
    return [(name, [each.scores.get("class_iou", {}).get(name) for each in scored]) for name in names]


def threshold_charts(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """For each split, a chart of the mIoU of maps over their threshold: {"split", "chart", "names"}.

    A full mark is the best threshold on that ground truth, a hollow one the fixed threshold.
    """
    by_split = {}
    for each in scored:
        if len(each.scores.get("thresholds", [])) > 1:
            by_split.setdefault(each.split, []).append(each)
    charts = []
    for split, members in by_split.items():
        curves = [threshold_curve(each, series) for series, each in enumerate(members)]
        title = f"mIoU over the threshold of class maps on {split}"
        chart = lines(curves, title, "threshold", x_range=(0.0, 1.0))
        charts.append({"split": split, "chart": chart, "names": [each.title for each in members]})
    return charts


def threshold_curve(each: Scored, series: int) -> Line:
    """The curve of one folder of maps, with its two marks."""
    rows = [row for row in each.scores["thresholds"] if row.get("mean_iou") is not None]
    points = [(row["threshold"], row["mean_iou"]) for row in rows]
    fixed, marks = each.scores.get("fixed"), []
    for x, y in [max(points, key=lambda point: point[1])] if points else []:
        marks.append(Mark(x, f"{each.title}: best on this ground truth, {y:.2f} % at {x:g}", series, y))
    if fixed and fixed.get("mean_iou") is not None:
        x, y = fixed["threshold"], fixed["mean_iou"]
        marks.append(Mark(x, f"{each.title}: fixed, {y:.2f} % at {x:g}", series, y, hollow=True))
    return Line(each.title, points, series % 8, marks=marks)


def training_charts(folder: str, curves: Curves) -> list[tuple[str, Markup]]:
    """(title, chart) of each scalar in a training's log: losses, what was watched, learning rate, waiting."""
    last = ("lr", "waiting for data")
    losses = [name for name in curves if name.startswith("loss/")]
    watched = [name for name in curves if name not in (*losses, *last)]
    order = [*losses, *watched, *(name for name in last if name in curves)]
    titles = {name: f"{name.removeprefix('loss/')} loss" for name in losses}
    titles |= {"lr": "learning rate", "waiting for data": "share of the time spent waiting for data"}
    charts = []
    for name in order:
        points = sorted(curves[name])
        drawn = [Line("as logged", thin(points), 0)]
        if name not in last and len(points) >= 10:
            drawn = [drawn[0]._replace(raw=True), Line("smoothed", thin(smooth(points)), 0)]
        share = (0.0, 1.0) if name == "waiting for data" else None
        title = titles.get(name, name)
        charts.append((title, lines(drawn, f"{folder}: {title}", "iteration", y_range=share)))
    return charts


def stage_rows(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """What the table of stages shows of each."""
    stages = list(stages)
    longest = max((stage.seconds or 0 for stage in stages), default=0) or 1
    return [
        {
            "folder": stage.folder,
            "command": stage.command,
            "finished": bool(stage.record["finished"]),
            "started": stage.record["started"],
            "time": duration(stage.seconds),
            "share": (stage.seconds or 0) / longest,
            "machine": stage.record.get("machine", "–"),
            "processes": stage.record.get("processes", 1),
            "summary": stage.record.get("summary", ""),
            "arguments": {name: argument_text(value) for name, value in sorted(stage.arguments.items())},
            "inputs": input_rows(stage),
            "call": stage.record.get("call", ""),
            "commit": short_commit(commit_of(stage) or "–"),
        }
        for stage in stages
    ]


def input_rows(stage: Stage) -> list[tuple[str, str, str, str]]:
    """(name, path, what of it was read, the first twelve digits of its SHA-256) of a stage's inputs."""
    found = []
    for name, content in stage.record["inputs"].items():
        content = content if isinstance(content, dict) else {}
        parts = content.get("reads")
        read = ", ".join(map(str, parts)) if isinstance(parts, list) else ""
        found.append((name, str(stage.arguments.get(name, "–")), read, str(content.get("sha256", ""))[:12]))
    return found


def nested_runs(run: Path, out: Path) -> list[tuple[str, str | None]]:
    """(name, way from `out` to its report or None) of the run's folders that are runs of their own."""
    found = []
    for folder in sorted(path for path in run.iterdir() if path.is_dir() and path.name != "scores"):
        if any(folder.glob("scores/*/scores.json")) or (folder / "cls/stage.json").exists():
            page = folder / "report/index.html"
            found.append((folder.name, os.path.relpath(page, out) if page.exists() else None))
    return found


def contents(
    run: Path, out: Path, dataset: DataSet | None, stages: list[Stage], scored: list[Scored], curves: dict[str, Curves]
) -> dict[str, Any]:
    """All that templates/index.html shows, but for what smells and the gallery."""
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
        "nested": nested_runs(run, out),
    }

"""The page of report.compare: a folder with index.html, the pictures of the images that moved most, all numbers."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from common.dataset import DataSet
from common.images import IGNORE_INDEX, VOC_COLOURS
from report.charts import Bar, Mark, bars
from report.comparison import KINDS, SCORES, Comparison, Move, Row
from report.folder import new_folder
from report.layers import legend, write_label, write_photograph
from report.templating import TEMPLATES, copy_assets, number, render, signed
from stages.files import write_json

LONGEST = 640  # pixels of a photograph's longer side
BETTER, WORSE = 54, 9  # light blue and red, of the palette that labels have: two colours that everybody tells apart


class Picture(NamedTuple):
    """An image of the page: its numbers, and what lies over its photograph."""

    move: Move
    stages: list[tuple[str, Move]]  # (title, its scores) in the other stages of its split
    photograph: str | None = None  # a file below the page's folder
    layers: Sequence[tuple[str, str]] = ()  # (title, file) of what lies over it
    size: tuple[int, int] = (1, 1)  # (H, W)


def write_folder(out: Path, found: Comparison, count: int, dataset: DataSet | None) -> str:
    """Write the folder `out` with count/2 gains and losses; returns a line about it.

    Without a data set the page has no pictures. Raises InputError if `out` is another folder or cannot be written, or
    if an image, a label or a prediction is unusable.
    """
    with new_folder(out, "compare.json") as partial:
        (partial / "images").mkdir()
        copy_assets(partial)
        shutil.copyfile(TEMPLATES / "compare.js", partial / "files/compare.js")
        values, groups = set(), []
        moves = found.shown.largest(count // 2) if found.shown else ()
        for title, chosen in zip(("Gains", "Losses"), moves):
            groups.append((title, list(pictures(partial, found, chosen, dataset, values))))
        page = render(
            "compare.html",
            title=f"{found.a.name} and {found.b.name}",
            run="Comparison of two runs",
            found=found,
            chart=chart(found.rows),
            groups=groups,
            legend=[(name, colour) for value, name, colour in numbered_legend(dataset) if value in values],
            colours={"better": colour_of(BETTER), "worse": colour_of(WORSE)},
        )
        (partial / "index.html").write_bytes(page.encode(errors="replace"))  # half a character, as JSON may hold
        write_json(partial / "compare.json", as_json(found))
    drawn = sum(picture.photograph is not None for _, group in groups for picture in group)
    reason = "" if drawn or not any(moves) else "; a data set with them is not there: --data names it"
    return f"{out / 'index.html'}: pictures of {drawn} images{reason}"


def pictures(
    out: Path, found: Comparison, moves: list[Move], dataset: DataSet | None, values: set[int]
) -> Iterator[Picture]:
    """Yields the images of the page, whose pictures it writes to <out>/images; adds the label values that they show."""
    pair = found.shown.pair
    known = {item.id for item in dataset.split(pair.split)} if dataset else set()
    others = [each for each in found.moves if each.pair.split == pair.split and each.pair.folder != pair.folder]
    by_id = [(each.title, {move.id: move for move in each.images}) for each in others]
    for move in moves:
        stages = [(title, scores[move.id]) for title, scores in by_id if move.id in scores]
        if move.id not in known:
            yield Picture(move, stages)
            continue
        write_photograph(out / "images" / f"{move.id}.jpg", dataset.image(move.id), LONGEST)
        layers = []
        for title, name, label in labels_of(found, dataset, move.id):
            values |= set(np.unique(label).tolist()) if name != "changed" else set()
            write_label(out / "images" / f"{move.id}_{name}.png", label, LONGEST)
            layers.append((title, f"images/{move.id}_{name}.png"))
        yield Picture(move, stages, f"images/{move.id}.jpg", layers, dataset.image_size(move.id))


def labels_of(found: Comparison, dataset: DataSet, id: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yields (title, name of the file, uint8 (H, W)) of what the runs predict for an image, and of its ground truth.

    What a run or the data set does not keep is left out, and so are maps, which are no labels.
    """
    folder, labels = found.shown.pair.folder, {}
    for name, run in (("A", found.a), ("B", found.b)):
        if "threshold" not in found.shown.pair.a.scores and (run / folder).is_dir():
            labels[name] = dataset.checked_label(run / folder / f"{id}.png", id)
            yield name, name.lower(), labels[name]
    if dataset.ground_truth_path(id).exists():
        truth = dataset.ground_truth(id)
        if len(labels) == 2:
            yield "what changed", "changed", changed(truth, labels["A"], labels["B"])
        yield "ground truth", "truth", truth


def changed(truth: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where only one of two labels is right: BETTER if it is `b`, WORSE if it is `a`, 0 elsewhere; all uint8 (H, W)."""
    counts = truth != IGNORE_INDEX
    better, worse = (b == truth) & (a != truth) & counts, (a == truth) & (b != truth) & counts
    return (BETTER * better + WORSE * worse).astype(np.uint8)


def numbered_legend(dataset: DataSet | None) -> list[tuple[int, str, str]]:
    """What labels show: (value, name, colour)."""
    if dataset is None:
        return []
    values = [*range(1, len(dataset.classes) + 1), IGNORE_INDEX]
    return [(value, *entry) for value, entry in zip(values, legend(dataset.classes), strict=True)]


def colour_of(value: int) -> str:
    """The colour of a label's value, "#rrggbb"."""
    return f"#{bytes(VOC_COLOURS[value]).hex()}"


def chart(rows: list[Row]) -> Markup:
    """Bars of B's mIoU, with A's as a ring, of the stages that both runs scored on the same images."""
    found = []
    for row in rows:
        a, b, difference = row.values("mean_iou")
        if difference is not None:
            name = f"{row.pair.folder} {row.cut}".strip()
            text = f"{row.title}: A {number(a)}, B {number(b)}, {signed(difference)}"
            found.append(Bar(name, b, text, [Mark(a, text, 1, hollow=True)], pale=row.cut == "best"))
    return bars(found, "mIoU in percent: B as a bar, A as a ring") if found else Markup("")


def as_json(found: Comparison) -> dict[str, Any]:
    """Everything of a comparison, as compare.json has it: scores are [A, B, B - A], null where there is none."""
    scores = [
        {
            "folder": row.pair.folder,
            "title": row.pair.title,
            "split": row.pair.split,
            "threshold": row.cut or None,
            "thresholds": row.values("threshold")[:2] if row.cut else None,
            "not compared": row.pair.problem or None,
            **{kind or "all": _kind_as_json(row, kind) for kind in KINDS},
        }
        for row in found.rows
    ]
    moves = [
        {"folder": moves.pair.folder, "split": moves.pair.split, "gained": moves.gained, "lost": moves.lost}
        | {"mean": moves.mean, "images": {move.id: [move.a, move.b, move.gain] for move in moves.images}}
        for moves in found.moves
    ]
    return {
        "a": str(found.a),
        "b": str(found.b),
        "only": dict(zip("ab", found.only)),
        "differences": [difference._asdict() for difference in found.differences],
        "scores": scores,
        "moves": moves,
    }


def _kind_as_json(row, kind):
    values = {name: row.values(kind, name) for name in SCORES}
    return values | {"class_iou": {name: row.values(kind, "class_iou", name) for name in row.classes}}

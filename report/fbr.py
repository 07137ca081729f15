"""Write the report of scripts/study/fbr.sh with its plot: means over seeds, paired differences and their intervals.

Reads the JSON lines of report.fbr_lines; the same lines give the same text.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from report.fbr_lines import EVALUATED, INSIDE, MAPS, WEIGHTS
from report.lines import (
    LABEL_SCORES,
    NUMBER,
    ORIGIN,
    SeedRows,
    holds,
    interval,
    page_head,
    signed,
    spread,
)
from report.page import page_parser, write_page
from report.tables.table import markdown_table
from stages.command import command_name, exit_on_input_error
from stages.files import atomic

BASE, CENTRE, SWEEP = "ce", "none_refined", "sweep_"  # classification alone; what the sweeps vary, and their names
MAP_SCORES = {  # heading: key of a line's scores of maps
    "mIoU, best threshold": "best",
    "mIoU, threshold 0.5": "fixed",
    "context at 60 %": "context_at_60",
    "AUC": "auc",
}
KEYS = ORIGIN | {"arguments": dict}
SCORES = {name: dict.fromkeys(MAP_SCORES.values(), NUMBER) for name in MAPS}
SCORES |= dict.fromkeys(EVALUATED, LABEL_SCORES)
ORDER = """ce null similarity_segmentation published shared_cam shared_refined shared_saliency shared_truth none_cam
none_refined none_saliency none_truth shared_linear intra all all_again all_saliency cut random one_centre""".split()
CONTROLS = [("null", BASE), ("cut", BASE), ("all_again", "all"), ("random", CENTRE), ("one_centre", CENTRE)]
PARTS = [
    ("intra", BASE),
    ("all", CENTRE),
    ("all_saliency", "shared_saliency"),
    ("shared_refined", "none_refined"),
    ("shared_linear", "shared_refined"),
]
LABELS = {"mIoU": "mean_iou", "ignored": "ignored", "missed": "false_negative"}
WHOLE = {"initial label": "label_initial", "pseudo label": "label_pseudo", "val": "pred2_val"}


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    return page_parser(__doc__, "report.fbr_lines")


def usable(line: object) -> bool:
    """Whether something read from JSON is a line of report.fbr_lines."""
    needed = (*MAPS, EVALUATED[0])
    if not holds(line, KEYS) or line["row"].startswith(SWEEP) and "_" not in line["row"].removeprefix(SWEEP):
        return False
    inside = line.get("inside", {})
    numbers = isinstance(inside, dict) and holds(inside, dict.fromkeys(inside, NUMBER))
    return numbers and all(
        holds(line.get(name), types) for name, types in SCORES.items() if name in needed or name in line
    )


class Rows(SeedRows):
    """The lines by row and seed, the rows of ORDER first; `main` are those that are no sweep's."""

    def __init__(self, lines: list[dict]):
        super().__init__(lines, ORDER)
        self.main = [row for row in self.rows if not row.startswith(SWEEP)]

    def argument(self, row: str, name: str) -> str:
        """An argument of a row's training as text; a dash if it has none, as that of cls.train."""
        value = next(iter(self.rows[row].values()))["arguments"].get(name, "–")
        if isinstance(value, bool):
            return "on" if value else "off"
        return f"{value:g}" if isinstance(value, float) else str(value)


def settings_table(rows: Rows) -> str:
    """Markdown of what the rows are, from the arguments of their trainings."""
    body = []
    for row in rows.main:
        weights = [rows.argument(row, name) for name in WEIGHTS]
        cells = [rows.argument(row, name) for name in ("heads", "labels", "background", "temperature")]
        if set(weights[:2]) == {"0"}:  # no contrast: there are no pseudo labels
            cells[1:] = ["–"] * 3
        body.append([f"`{row}`", rows.seeds(row), *cells, "–" if cells[0] == "–" else " / ".join(weights)])
    return markdown_table(["row", "seeds", "heads", "labels", "background", "τ", "weights"], body)


def score_table(rows: Rows, part: str, scores: dict[str, str]) -> str:
    """Markdown of every row's scores {heading: key} of a part of the lines, each beside its difference to BASE."""
    head = ["row", *(cell for heading in scores for cell in (heading, "to `ce`"))]
    body = []
    for row in rows.main:
        cells = [f"`{row}`"]
        for key in scores.values():
            difference = "" if row == BASE else signed(rows.differences(row, BASE, part, key))
            cells += [spread(rows.values(row, part, key)), difference]
        body.append(cells)
    return markdown_table(head, body)


def inside_table(rows: Rows) -> str:
    """Markdown of what the trainings logged beside their losses, of the rows that did."""
    body = [
        [f"`{row}`", *(spread(rows.values(row, "inside", name)) for name in INSIDE)]
        for row in rows.main
        if len(rows.values(row, "inside", "gradient ratio"))
    ]
    return markdown_table(["row", *(name.removeprefix("share/") for name in INSIDE)], body) if body else ""


def pair_table(rows: Rows, pairs: list[tuple[str, str]]) -> str:
    """Markdown of the differences of pairs of rows, those that are there."""
    columns = [("cam", "best"), ("cam_refined", "best"), ("cam", "context_at_60"), ("cam_refined", "context_at_60")]
    head = ["row", "minus", "mIoU, raw", "mIoU, refined", "context, raw", "context, refined", "max \\|difference\\|"]
    body = []
    for row, other in pairs:
        if row in rows.rows and other in rows.rows:
            all_of_them = [rows.differences(row, other, part, key) for part in MAPS for key in MAP_SCORES.values()]
            largest = max((abs(values).max() for values in all_of_them if len(values)), default=float("nan"))
            cells = [signed(rows.differences(row, other, *column)) for column in columns]
            body.append([f"`{row}`", f"`{other}`", *cells, f"{largest:.3g}"])
    return markdown_table(head, body) if body else ""


def whole_table(rows: Rows) -> str:
    """Markdown of the rows that went through the whole method: mIoU of labels and of the final prediction."""
    head = ["row", *(cell for heading in WHOLE for cell in (heading, "to `ce`"))]
    body = []
    for row in rows.main:
        if len(rows.values(row, "pred2_val", "mean_iou")):
            cells = [f"`{row}`"]
            for part in WHOLE.values():
                difference = "" if row == BASE else signed(rows.differences(row, BASE, part, "mean_iou"))
                cells += [spread(rows.values(row, part, "mean_iou")), difference]
            body.append(cells)
    return markdown_table(head, body) if body else ""


def sweep_rows(rows: Rows) -> dict[str, list[tuple[float | str, str]]]:
    """{argument: [(value, row), …]} of the sweeps by ascending value, CENTRE's own among them."""
    sweeps = {}
    for row in rows.rows:
        if row.startswith(SWEEP):
            argument, value = row.removeprefix(SWEEP).rsplit("_", 1)
            sweeps.setdefault(argument, [(rows.argument(CENTRE, argument), CENTRE)]).append((value, row))
    return {argument: sorted(found, key=ascending) for argument, found in sweeps.items()}


def ascending(found: tuple[str, str]) -> tuple[float, str]:
    """Sorting key of a value: as a number, or after all numbers as text."""
    try:
        return float(found[0]), ""
    except ValueError:
        return float("inf"), found[0]


def sweep_table(rows: Rows) -> str:
    """Markdown of the sweeps, or nothing without them. CENTRE stands here with the seeds of the sweep alone."""
    if CENTRE not in rows.rows:
        return ""
    columns = [("cam", "best"), ("cam_refined", "best"), ("cam", "context_at_60")]
    body = []
    for argument, found in sweep_rows(rows).items():
        seeds = set.intersection(*(set(rows.rows[row]) for _, row in found))
        own = Rows([rows.rows[row][seed] for _, row in found for seed in seeds])
        for value, row in found:
            cells = []
            for column in columns:
                difference = "" if row == CENTRE else signed(own.differences(row, CENTRE, *column))
                cells += [spread(own.values(row, *column)), difference]
            body.append([f"`{argument}`", value, *cells])
    head = ["argument", "value", "mIoU, raw", "difference", "mIoU, refined", "difference", "context, raw", "difference"]
    return markdown_table(head, body) if body else ""


SECTIONS: list[tuple[str, str, Callable[[Rows], str]]] = [  # heading, what the table shows, what makes it
    (
        "The rows",
        "`ce` is classification alone (`cls.train`), `null` FBR at a weight of 1e-6, `published` the published "
        "settings but for the sizes. The labels are the source of the pseudo labels: the CAMs, the CAMs refined by the "
        "image's colours, the CAMs cleaned by saliency, and the ground truth, a bound. The weights are those of "
        "pixel-to-NROI, intra-foreground, similarity and segmentation.",
        settings_table,
    ),
    (
        "CAMs",
        "On the training images. Context at 60 %: how much of the context of the image's own classes the CAMs call "
        "object at the threshold where 60 % of the object pixels are found; less is better. AUC: object against "
        "context pixels. The best threshold is chosen on the ground truth. Each difference is to `ce`.",
        lambda rows: score_table(rows, "cam", MAP_SCORES),
    ),
    (
        "Refined CAMs",
        "The same rows; their maps are refined by the image's colours afterwards (`cls.refine`).",
        lambda rows: score_table(rows, "cam_refined", MAP_SCORES),
    ),
    (
        "The initial label from the CAMs",
        "Background extraction with the CAMs in the place of the OA-CAMs: mIoU over the pixels that are not ignored; "
        "the share of ignored pixels; the share of object pixels that the label calls background.",
        lambda rows: score_table(rows, "label_cam", LABELS),
    ),
    (
        "Where hard pixels and prototypes lie",
        "Means over the second half of a training: shares in percent, by ground truth and context; ratio of the "
        "contrasts' gradient on the shared features to the classification's.",
        inside_table,
    ),
    ("Parts", "Scores of raw and refined CAMs with a part of FBR and without.", lambda rows: pair_table(rows, PARTS)),
    (
        "Controls",
        "`cut` computes both contrasts and cuts their gradient; `random` draws background pixels where the others have "
        "cluster centres; `one_centre` has one centre an image. The last column is the largest difference of any score "
        "of raw and refined maps in any seed: 0 where two rows are the same.",
        lambda rows: pair_table(rows, CONTROLS),
    ),
    (
        "The whole method",
        "The classifier of the row, then IAM, BE, POM and two rounds with NSRM, on the validation images; the labels "
        "of the training images on the way.",
        whole_table,
    ),
    (
        "Sweeps",
        "From `none_refined`, one argument at a time. Seeds {swept}. Each difference is to `none_refined`.",
        sweep_table,
    ),
]
PICTURE = """
## What changes in single images

Training images of the first seed. Of all images with 200 pixels of own context or more, those in which the share of own
context called object at the threshold 0.5 falls most from `ce` to `all`, and those in which it rises most or falls
least. Second column: objects by class, their context in a paler colour of the class.

![CAMs]({}maps.png)
"""


def report(lines: list[dict], pictures: str, with_maps: bool = True) -> str:
    """The whole Markdown text. `pictures` is the path of the pictures' folder, as the text should link to it."""
    rows = Rows(lines)
    seeds = {line["seed"] for line in lines if line["row"] in rows.main}
    swept = " ".join(map(str, sorted({line["seed"] for line in lines if line["row"].startswith(SWEEP)})))
    parts = [page_head("FBR on the toy data: tables", "scripts/study/fbr.sh", seeds, lines)]
    for heading, note, table_of in SECTIONS:
        if table := table_of(rows):
            parts.append(f"\n## {heading}\n\n{note.format(swept=swept)}\n\n{table}")
        if heading == "Refined CAMs":
            parts.append(f"\n![Paired differences to ce]({pictures}differences.png)\n")
    if with_maps:
        parts.append(PICTURE.format(pictures))
    return "".join(parts)


def plot(path: Path, lines: list[dict]) -> None:
    """Write a PNG of the paired differences of mIoU to BASE: a dot a seed, the mean and its interval a row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = Rows(lines)
    names = [row for row in rows.main if row != BASE]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 0.8 + 0.3 * len(names)), sharey=True, layout="constrained")
    for axis, part, title in zip(axes, MAPS, ("CAMs", "refined CAMs"), strict=True):
        for y, row in enumerate(names):
            values = rows.differences(row, BASE, part, "best")
            if len(values):
                mean, half = interval(values)
                axis.plot(values, np.full(len(values), y), "o", color="tab:grey", markersize=3, alpha=0.7)
                axis.errorbar(mean, y, xerr=None if np.isnan(half) else half, fmt="D", color="tab:blue", capsize=3)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set(title=title, xlabel="mIoU, difference to ce (points)", yticks=range(len(names)), yticklabels=names)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(max(len(names), 1) - 0.5, -0.5)  # the first row on top
    with atomic(path) as partial:
        figure.savefig(partial, format="png", dpi=110)
    pyplot.close(figure)


def main(args: argparse.Namespace) -> None:
    """Write the report and the plot."""
    expected = f"JSON lines of report.fbr_lines, with {', '.join(sorted(KEYS))}"
    write_page(args, usable, expected, BASE, plot, report, "maps.png")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())

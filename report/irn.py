"""Write the report of scripts/study/irn.sh with its plot: what saliency is worth, what FBR adds, and AP of instances.

Reads the JSON lines of report.irn_lines; the same lines give the same text.
"""

import argparse
from pathlib import Path

import numpy as np

from report.irn_lines import EVALUATED, FIRST, THRESHOLDS
from report.lines import (
    LABEL_SCORES,
    NUMBER,
    ORIGIN,
    SeedRows,
    column,
    holds,
    minus,
    page_head,
    signed,
    spread,
)
from report.page import page_parser, write_page
from report.tables.table import markdown_table
from stages.command import command_name, exit_on_input_error
from stages.files import atomic

BASE, FBR, TRUTH, PLAIN = FIRST
SETTINGS = {"saliency": "with saliency", "image_level": "without"}  # part of a line: heading
LABELS = [  # heading, part, folder
    ("with saliency: initial labels", "saliency", "label_initial"),
    ("with saliency: pseudo labels", "saliency", "label_pseudo"),
    ("with saliency: masked labels", "saliency", "label_masked"),
    ("without: CAMs", "image_level", "cam_pyramid"),
    ("without: seeds", "image_level", "label_seed"),
    ("without: IRN's labels", "image_level", "label_irn"),
    ("without: masked labels", "image_level", "label_masked"),
]
ROUNDS = {  # heading: labels without saliency, labels with it
    "First round: IRN's and pseudo labels": ("label_irn", "label_pseudo"),
    "Second round: masked labels": ("label_masked", "label_masked"),
}
SCORES = {"mIoU": "mean_iou", "ignored": "ignored", "missed": "false_negative"}
FINAL = {"First round": "pred1_val", "Second round": "pred2_val"}
ROWS = """
With saliency the labels are those of BE, POM and NSRM; without, those of IRN, and NSRM without its saliency term. `ce`
is the plain classifier, `fbr` the one trained with FBR from image-level labels.
"""
NOTES = {
    "labels": "On the training images: mIoU over the pixels that are not ignored; the share of ignored pixels; the "
    "share of object pixels that a label calls background. CAMs are cut at the best of some thresholds, chosen on the "
    "ground truth.",
    "without": "IRN's labels minus the pseudo labels, which the first round is trained on; masked labels minus masked "
    "labels, the second round's.",
    "final": "mIoU of DeepLab's predictions on the validation images. The last column is what saliency is worth with "
    "each classifier, the last row what FBR adds with and without saliency; the corner is their interaction: how much "
    "more FBR adds with saliency than without.",
    "plot": "A line is a seed, the diamonds are the means.",
    "plain": "`plain` is `ce` on toy data without context. Seeds and labels are scored without the pixels that they "
    "ignore.",
    "instances": "Mean AP of the instances of the training images over the classes, at thresholds of the IoU of masks. "
    "`truth` is IRN trained on the true class masks, which also stand in for the class maps.",
    "picture": "Training images of the first seed, those with the most instances, from the classifier with FBR: class "
    "boundaries, displacements, instances with their scores, true instances.",
}


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    return page_parser(__doc__, "report.irn_lines")


def are_labels(part: object) -> bool:
    """Whether a part of a line holds scores of seg.evaluate alone."""
    return isinstance(part, dict) and all(holds(found, LABEL_SCORES) for found in part.values())


def usable(line: object) -> bool:
    """Whether something read from JSON is a line of report.irn_lines."""
    if not holds(line, ORIGIN) or line["row"] not in FIRST:
        return False
    fits = dict.fromkeys(EVALUATED, are_labels) | {"ap": lambda part: holds(part, dict.fromkeys(THRESHOLDS, NUMBER))}
    parts = fits.keys() & line.keys()  # a line without scores is none
    return bool(parts) and all(fits[part](line[part]) for part in parts)


def label_table(rows: SeedRows) -> str:
    """Markdown of the labels of both classifiers, and what FBR changes in them."""
    head = ["", *(cell for name in SCORES for cell in (f"{name}, `{BASE}`", f"`{FBR}`", f"`{FBR}` - `{BASE}`"))]
    body = []
    for heading, part, folder in LABELS:
        cells = [heading]
        for score in SCORES.values():
            keys = part, folder, score
            cells += [spread(rows.values(row, *keys)) for row in (BASE, FBR)]
            cells.append(signed(rows.differences(FBR, BASE, *keys)))
        body.append(cells)
    return markdown_table(head, body)


def without_table(rows: SeedRows) -> str:
    """Markdown of the labels without saliency minus those with it, that either round is trained on."""
    head = ["without - with", *(f"{name}, `{row}`" for name in SCORES for row in (BASE, FBR))]
    body = []
    for heading, (without, with_saliency) in ROUNDS.items():
        pairs = [
            (rows.by_seed(row, "image_level", without, score), rows.by_seed(row, "saliency", with_saliency, score))
            for score in SCORES.values()
            for row in (BASE, FBR)
        ]
        body.append([heading, *(signed(column(minus(*pair))) for pair in pairs)])
    return markdown_table(head, body)


def final_table(rows: SeedRows, folder: str) -> str:
    """Markdown of the mIoU of predictions, with and without saliency, of both classifiers; differences at the edges."""
    scores = {row: [rows.by_seed(row, part, folder, "mean_iou") for part in SETTINGS] for row in (BASE, FBR)}
    worth = {row: minus(*found) for row, found in scores.items()}  # of saliency
    body = [[f"`{row}`", *(spread(column(each)) for each in scores[row]), signed(column(worth[row]))] for row in scores]
    added = [*map(minus, scores[FBR], scores[BASE]), minus(worth[FBR], worth[BASE])]
    body.append([f"`{FBR}` - `{BASE}`", *(signed(column(each)) for each in added)])
    return markdown_table(["", *SETTINGS.values(), "with - without"], body)


def plain_table(rows: SeedRows) -> str:
    """Markdown of the labels and predictions of the row PLAIN, with and without saliency; "" if no seed has it."""
    if PLAIN not in rows.rows:
        return ""
    folders = {"CAMs": ("cam_pyramid", "cam"), "Seeds and initial labels": ("label_seed", "label_initial")} | ROUNDS
    folders |= {f"{heading}: predictions": (folder, folder) for heading, folder in FINAL.items()}
    body = []
    for heading, (without, with_saliency) in folders.items():
        scores = [rows.by_seed(PLAIN, *keys, "mean_iou") for keys in zip(SETTINGS, (with_saliency, without))]
        body.append([heading, *(spread(column(each)) for each in scores), signed(column(minus(*scores)))])
    return markdown_table(["mIoU", *SETTINGS.values(), "with - without"], body)


def ap_table(rows: SeedRows) -> str:
    """Markdown of AP at every threshold, and its differences."""
    shown = [row for row in FIRST if row != PLAIN or row in rows.rows]
    body = [[f"`{row}`", *(spread(rows.values(row, "ap", each)) for each in THRESHOLDS)] for row in shown]
    for row, other in ((FBR, BASE), (TRUTH, FBR)):
        differences = [rows.differences(row, other, "ap", each) for each in THRESHOLDS]
        body.append([f"`{row}` - `{other}`", *map(signed, differences)])
    return markdown_table(["", *(f"AP at {each}" for each in THRESHOLDS)], body)


def report(lines: list[dict], pictures: str, with_instances: bool = True) -> str:
    """The whole Markdown text. `pictures` is the path of the pictures' folder, as the text should link to it."""
    rows = SeedRows(lines, FIRST)
    seeds = {line["seed"] for line in lines}
    parts = [
        page_head("Labels without saliency and instances: tables", "scripts/study/irn.sh", seeds, lines) + ROWS,
        f"## Labels\n\n{NOTES['labels']}\n\n{label_table(rows)}",
        f"## Labels without saliency against those with it\n\n{NOTES['without']}\n\n{without_table(rows)}",
        f"## The final predictions\n\n{NOTES['final']}\n",
        *(f"### {heading}\n\n{final_table(rows, folder)}" for heading, folder in FINAL.items()),
        f"![mIoU of the second round]({pictures}differences.png)\n\n{NOTES['plot']}\n",
    ]
    if plain := plain_table(rows):
        parts.append(f"## Without context\n\n{NOTES['plain']}\n\n{plain}")
    parts.append(f"## Instances\n\n{NOTES['instances']}\n\n{ap_table(rows)}")
    if with_instances:
        parts.append(f"![Instances]({pictures}instances.png)\n\n{NOTES['picture']}\n")
    return "\n".join(parts)


def plot(path: Path, lines: list[dict]) -> None:
    """Write a PNG of the mIoU of the second round, with and without saliency, of both classifiers: a line a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = SeedRows(lines)
    combinations = [(row, part) for part in SETTINGS for row in (BASE, FBR)]
    scores = [rows.by_seed(row, part, FINAL["Second round"], "mean_iou") for row, part in combinations]
    places = range(len(combinations))
    figure, axes = pyplot.subplots(figsize=(5.5, 3.4), layout="constrained")
    for seed in sorted(set().union(*scores)):
        line = [found.get(seed, np.nan) for found in scores]
        axes.plot(places, line, "o-", markersize=3, alpha=0.6, label=f"seed {seed}")
    means = [np.mean(column(found)) if found else np.nan for found in scores]
    axes.plot(places, means, "D", color="black", markersize=5)
    axes.set(ylabel="mIoU (%)", xticks=places, xlim=(-0.3, len(places) - 0.7))
    axes.set_xticklabels([f"{row}\n{SETTINGS[part]}" for row, part in combinations])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right center", fontsize="x-small")
    with atomic(path) as partial:
        figure.savefig(partial, format="png", dpi=110)
    pyplot.close(figure)


def main(args: argparse.Namespace) -> None:
    """Write the report and the plot."""
    expected = f"JSON lines of report.irn_lines, with {', '.join(sorted(ORIGIN))}"
    write_page(args, usable, expected, BASE, plot, report, "instances.png")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())

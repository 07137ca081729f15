"""Draw single images through the stages of a run, like the paper's Figure 5, and print which were chosen.

One row per image: image, ground truth, saliency if the data set has it, the run's labels (folders label_*, further
rules last) and predictions, with a legend below. Of the split's complex images (two or more classes), it shows the
count/2 whose mIoU gains most from <run>/pred1 to <run>/pred2 and the count/2 that lose most, or all if there are
fewer, sorted from the largest gain to the largest loss; ties keep the list's order.
"""

import argparse
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from common.files.dataset import DataSet, Item
from common.files.images import IGNORE_INDEX, VOC_COLOURS, legend
from evaluate.scores import image_miou
from report.tables.summary import further_labels
from stages.arguments import checked
from stages.command import command_parser, run_command
from stages.files import InputError, atomic, check_output, check_outside

Scored = tuple[str, list[float]]  # id, a score of each prediction, in percent
Picture = Callable[[str], np.ndarray]  # from an id to a picture, uint8 (H, W, 3)
Columns = dict[str, Picture]  # by their titles
BEFORE, AFTER = "pred1", "pred2"  # initial and final predictions
EVEN = checked(int, lambda count: count in range(2, 1001, 2), "an even number from 2 to 1000")


def picture_parser(doc: str, count: int, counted: str = "number of images, even") -> argparse.ArgumentParser:
    """Parser of a figure of `count` chosen images of a run; doc: the command's docstring; counted: help of --count."""
    parser = command_parser(doc)
    parser.add_argument("--data", type=Path, required=True, help="data set folder")
    parser.add_argument("--split", required=True, help="list of the data set: lists/<split>.txt")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--out", type=Path, required=True, help="output PNG")
    parser.add_argument("--count", type=EVEN, default=count, help=counted)
    return parser


def parser() -> argparse.ArgumentParser:
    return picture_parser(__doc__, count=8)


def score(dataset: DataSet, items: list[Item], folders: Sequence[Path]) -> list[Scored]:
    """The images as a list of (id, [mIoU of the prediction in each folder]), percent, in the order of `items`.

    folders: of <id>.png. Images whose ground truth is 255 all over are left out, they have no score. Raises InputError
    if a file is missing or unusable.
    """
    scored = []
    for item in items:
        truth = dataset.ground_truth(item.id)
        predictions = [dataset.checked_label(folder / f"{item.id}.png", item.id) for folder in folders]
        if (truth != IGNORE_INDEX).any():
            scored.append((item.id, [image_miou(truth, each, len(dataset.classes)) for each in predictions]))
    return scored


def gain(row: Scored) -> float:
    """From the first prediction to the last; rounded, so that equal gains tie whatever their last bits."""
    _, values = row
    return round(values[-1] - values[0], 6)


def choose(scored: list[Scored], count: int) -> list[Scored]:
    """The rows of the figure: the count/2 largest gains and, of the rest, the count/2 largest losses.

    scored: in the list's order. Returns such a list, the largest gain first, the largest loss last; all of `scored` if
    it has no more than `count`.
    """
    gains = sorted(scored, key=gain, reverse=True)[: count // 2]
    losses = sorted((row for row in scored if row not in gains), key=gain)[: count // 2]
    return sorted(gains + losses, key=gain, reverse=True)  # stable, as the two before: ties stay in the list's order


def photograph(dataset: DataSet) -> Picture:
    """The column of the images themselves, without the noise in their two low bits, which only swells the PNG."""
    return lambda id: dataset.image(id) & 0xFC


def ground_truth(dataset: DataSet) -> Picture:
    """The column of the ground truth in its colours."""
    return lambda id: VOC_COLOURS[dataset.ground_truth(id)]


def coloured(dataset: DataSet, folder: Path) -> Picture:
    """The column of a folder of labels, <id>.png, in their colours. Raises InputError if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    return lambda id: VOC_COLOURS[dataset.checked_label(folder / f"{id}.png", id)]


def columns(dataset: DataSet, run: Path) -> Columns:
    """The figure's columns; the functions raise InputError where a picture is missing or unusable.

    Labels of a rule that the run does without have no column, and neither has saliency that the data set lacks. Raises
    InputError at once if there are no predictions, not after minutes of scoring.
    """
    folders = {  # title: folder below the run
        "initial label": "label_initial",
        "pseudo label": "label_pseudo",
        "seed (IRN)": "label_seed",
        "label (IRN)": "label_irn",
        "initial prediction": BEFORE,
        "masked label": "label_masked",
        "final prediction": AFTER,
    }
    folders |= {name: name for name in further_labels(run)}
    there = {title: name for title, name in folders.items() if name in (BEFORE, AFTER) or (run / name).is_dir()}
    pictures = {"image": photograph(dataset), "ground truth": ground_truth(dataset)}
    if (dataset.root / "saliency").is_dir():
        pictures["saliency"] = lambda id: np.repeat(dataset.saliency(id)[..., None], 3, axis=2)
    return pictures | {title: coloured(dataset, run / name) for title, name in there.items()}


def draw(
    rows: list[tuple[str, str]],
    columns: Columns,
    captions: Mapping[tuple[str, str], str] = MappingProxyType({}),
    classes: Sequence[str] = (),
    note: str = "",
) -> Figure:
    """The figure.

    rows: list of (text on the left, id); columns: as `columns` gives them; captions: {(id, title): text below that
    picture}. With C foreground `classes`, what the colours of labels mean stands below the pictures, and the `note`.
    """
    with matplotlib.rc_context({"text.parse_math": False}):  # a class may be called $5
        figure = Figure((1.2 + 2.1 * len(columns), 1.7 * len(rows) + 0.8), layout="constrained")
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, (text, id) in zip(axes, rows):
            for axis, (title, picture) in zip(line, columns.items()):
                axis.imshow(picture(id), interpolation="nearest")
                axis.set(xticks=[], yticks=[], xlabel=captions.get((id, title), ""))
                axis.spines[:].set_visible(False)
            line[0].set_ylabel(text, rotation=0, ha="right", va="center")
        for axis, title in zip(axes[0], columns):
            axis.set_title(title, fontsize="medium")
        if classes:
            colours = [("background", "#000000"), *legend(classes)]
            patches = [Patch(facecolor=colour, edgecolor="grey", label=name) for name, colour in colours]
            text = textwrap.fill(note, 30 * len(columns))
            place = {"loc": "outside lower left", "ncols": 2 * len(columns) - 1, "frameon": False}
            figure.legend(handles=patches, title=text, alignment="left", **place)
    return figure


def check_figure(out: Path, *folders: Path) -> None:
    """Raises InputError unless a figure can be written at `out`, outside of the `folders`, which are read."""
    check_output(out)
    check_outside(out, folders)


def write_figure(out: Path, figure: Figure) -> None:
    """Write it as a PNG."""
    with atomic(out) as partial:
        figure.savefig(partial, format="png", dpi=110)


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    before, after = args.run / BEFORE, args.run / AFTER
    check_figure(args.out, args.data, before, after)
    dataset = DataSet(args.data)
    pictures = columns(dataset, args.run)
    items = [item for item in dataset.split(args.split) if len(item.classes) > 1]
    chosen = choose(score(dataset, items, [before, after]), args.count)
    if not chosen:
        path = dataset.root / "lists" / f"{args.split}.txt"
        raise InputError(f"{path}: expected at least one complex image (two or more classes), found none")
    values = {id: f"{before:.1f} → {after:.1f}" for id, (before, after) in chosen}
    rows = [(f"{id}\n{text}", id) for id, text in values.items()]
    write_figure(args.out, draw(rows, pictures, classes=dataset.classes))
    print(*(f"{id} {text}" for id, text in values.items()), sep="\n")


if __name__ == "__main__":
    run_command(main, parser())

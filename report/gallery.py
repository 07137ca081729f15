"""Draw what becomes of single images along a run, after the paper's Figure 5, and print which were chosen.

One row an image: image, ground truth, saliency if the data set has it, the run's labels (its folders label_*, those of
further rules last) and predictions. Of the split's complex images (two or more classes), the count/2 whose mIoU gains
most from --before to --after and the count/2 that lose most, or all if there are fewer. The largest gain comes first,
the largest loss last; ties stand in the list's order.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.dataset import DataSet
from common.images import IGNORE_INDEX, VOC_PALETTE
from common.scores import confusion_matrix
from report.labels import further_labels
from stages.arguments import checked
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output

CELL = (256, 192)  # the most that a picture takes, width and height
GAP, FONT_SIZE = 6, 20

Scored = tuple[str, float, float]  # id, mIoU before and after, in percent
Columns = dict[str, Callable[[str], np.ndarray]]  # title: function from an id to a picture, uint8 (H, W, 3)
EVEN = checked(int, lambda count: count in range(2, 1001, 2), "an even number from 2 to 1000")


def picture_parser(doc: str, count: int) -> argparse.ArgumentParser:
    """Parser of a figure of `count` chosen images of a run; `doc` is the command's docstring."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=doc, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder")
    parser.add_argument("--split", required=True, help="which list of the data set: lists/<split>.txt")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--count", type=EVEN, default=count, help="how many images; even")
    return parser


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = picture_parser(__doc__, count=8)
    parser.add_argument("--before", default="pred1", help="folder of the initial predictions below <run>")
    parser.add_argument("--after", default="pred2", help="folder of the final predictions below <run>")
    return parser


def image_miou(truth: np.ndarray, prediction: np.ndarray, classes: int) -> float:
    """The mIoU of one image in percent, the mean over the classes, background included, that its truth holds.

    truth, prediction: uint8 (H, W), 0 to C = `classes`, 255 ignore. Pixels whose truth is 255 do not count; one that
    only the prediction ignores is missed, or an image could gain by ignoring. The truth must not be 255 all over.
    """
    matrix = confusion_matrix(truth, prediction, classes)
    hits, held, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)[:-1]
    present = held > 0
    return 100 * float((hits[present] / (held + predicted - hits)[present]).mean())


def score_complex(dataset: DataSet, split: str, before: Path, after: Path) -> list[Scored]:
    """The complex images of a split as a list of (id, mIoU before, mIoU after), percent, in the list's order.

    before, after: folders of <id>.png. Images whose ground truth is 255 all over are left out, they have no score.
    Raises InputError if no image is left, or if a file is missing or unusable.
    """
    scored = []
    for item in dataset.split(split):
        if len(item.classes) < 2:
            continue
        truth = dataset.ground_truth(item.id)
        predictions = [dataset.checked_label(folder / f"{item.id}.png", item.id) for folder in (before, after)]
        if (truth != IGNORE_INDEX).any():
            scored.append((item.id, *(image_miou(truth, each, len(dataset.classes)) for each in predictions)))
    if not scored:
        path = dataset.root / "lists" / f"{split}.txt"
        raise InputError(f"{path}: expected at least one complex image (two or more classes), found none")
    return scored


def gain(row: Scored) -> float:
    """By how much an (id, before, after) gains; rounded, so that equal gains tie whatever their last bits."""
    return round(row[2] - row[1], 6)


def choose(scored: list[Scored], count: int) -> list[Scored]:
    """The rows of the figure: the count/2 largest gains and, of the rest, the count/2 largest losses.

    scored: list of (id, before, after) in the list's order. Returns such a list, the largest gain first, the largest
    loss last; all of `scored` if it has no more than `count`.
    """
    gains = sorted(scored, key=gain, reverse=True)[: count // 2]
    losses = sorted((row for row in scored if row not in gains), key=gain)[: count // 2]
    return sorted(gains + losses, key=gain, reverse=True)  # stable, as the two before: ties stay in the list's order


def columns(dataset: DataSet, run: Path, before: str, after: str) -> Columns:
    """The figure's columns; the functions raise InputError where a picture is missing or unusable.

    Labels of a rule that the run does without have no column, and neither has saliency that the data set lacks. Raises
    InputError at once if there are no predictions `before` or `after`, not after minutes of scoring.
    """
    palette = np.array(VOC_PALETTE, np.uint8).reshape(256, 3)
    folders = {  # title: folder below the run
        "initial label": "label_initial",
        "pseudo label": "label_pseudo",
        "seed (IRN)": "label_seed",
        "label (IRN)": "label_irn",
        "initial prediction": before,
        "masked label": "label_masked",
        "final prediction": after,
    }
    folders |= {name: name for name in further_labels(run)}
    for folder in (before, after):
        if not (run / folder).is_dir():
            raise InputError(f"{run / folder}: no such folder")

    def coloured(folder):
        return lambda id: palette[dataset.checked_label(folder / f"{id}.png", id)]

    pictures = {
        "image": lambda id: dataset.image(id) & 0xFC,  # noise in the two low bits only swells the PNG
        "ground truth": lambda id: palette[dataset.ground_truth(id)],
    }
    if (dataset.root / "saliency").is_dir():
        pictures["saliency"] = lambda id: np.repeat(dataset.saliency(id)[..., None], 3, axis=2)
    return pictures | {title: coloured(run / name) for title, name in folders.items() if (run / name).is_dir()}


def fitted(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture of `size` = (H, W) that fills CELL as far as its aspect allows."""
    height, width = size
    scale = min(CELL[0] / width, CELL[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw(rows: list[tuple[str, str, tuple[int, int]]], columns: Columns) -> Image.Image:
    """The figure as a Pillow image, RGB.

    rows: list of (text on the left, id, (H, W)); columns: as `columns` gives them.
    Pictures are enlarged and shrunk by nearest neighbour, so that labels keep their colours.
    """
    # Pillow's own font has no arrow; matplotlib brings one that does
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", FONT_SIZE)
    sizes = [fitted(size) for *_, size in rows]
    cell = max(*(width for width, _ in sizes), *(int(font.getlength(title)) + 1 for title in columns))
    line = max(3 * FONT_SIZE, *(height for _, height in sizes))  # room for two lines of text
    left = max(int(font.getlength(part)) + 1 for text, *_ in rows for part in text.splitlines()) + 2 * GAP
    top = FONT_SIZE + 2 * GAP
    figure = Image.new("RGB", (left + len(columns) * (cell + GAP), top + len(rows) * (line + GAP)), "white")
    pen = ImageDraw.Draw(figure)
    for column, title in enumerate(columns):
        pen.text((left + column * (cell + GAP) + cell // 2, top // 2), title, "black", font, anchor="mm")
    for row, ((text, id, _), size) in enumerate(zip(rows, sizes, strict=True)):
        y = top + row * (line + GAP)
        pen.multiline_text((left // 2, y + line // 2), text, "black", font, anchor="mm", align="center")
        for column, picture in enumerate(columns.values()):
            x = left + column * (cell + GAP)
            image = Image.fromarray(picture(id)).resize(size, Image.Resampling.NEAREST)
            figure.paste(image, (x + (cell - size[0]) // 2, y + (line - size[1]) // 2))
    return figure


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    check_output(args.out)
    for folder in (args.data, args.run / args.before, args.run / args.after):
        if folder.resolve() in args.out.resolve().parents:
            raise InputError(f"{args.out}: expected a file outside of {folder}, which is read")
    dataset = DataSet(args.data)
    pictures = columns(dataset, args.run, args.before, args.after)
    chosen = choose(score_complex(dataset, args.split, args.run / args.before, args.run / args.after), args.count)
    values = {id: f"{before:.1f} → {after:.1f}" for id, before, after in chosen}
    figure = draw([(f"{id}\n{text}", id, dataset.image_size(id)) for id, text in values.items()], pictures)
    with atomic(args.out) as partial:
        figure.save(partial, format="PNG", optimize=True)
    print(*(f"{id} {text}" for id, text in values.items()), sep="\n")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())

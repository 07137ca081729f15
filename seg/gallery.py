"""Draws what becomes of single images along a run, after the paper's Figure 5, and prints which it chose.

One row an image: image, ground truth, saliency, the run's labels and predictions. Of the split's complex images (two or
more classes) it takes the count/2 whose mIoU gains most from --before to --after and the count/2 that lose most, or all
if there are fewer. The largest gain comes first, the largest loss last; ties stand in the list's order.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.arguments import checked
from common.cli import HelpFormatter, command_name, exit_on_input_error
from common.files import IGNORE_INDEX, VOC_PALETTE, InputError, atomic, check_output
from data.layout import DataSet
from seg.scores import confusion_matrix

CELL = (256, 192)  # the most that a picture takes, width and height
GAP, FONT_SIZE = 6, 20
EVEN = checked(int, lambda count: count in range(2, 1001, 2), "an even number from 2 to 1000")


def parser():
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder")
    parser.add_argument("--split", required=True, help="which list of the data set: lists/<split>.txt")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--count", type=EVEN, default=8, help="of the images; even")
    parser.add_argument("--before", default="pred1", help="folder of the initial predictions below <run>")
    parser.add_argument("--after", default="pred2", help="folder of the final predictions below <run>")
    return parser


def image_miou(truth, prediction, classes):
    """The mIoU of one image in percent, the mean over the classes, background included, that its truth holds.

    truth, prediction: uint8 (H, W), 0 to C = `classes`, 255 ignore. Pixels whose truth is 255 do not count; one that
    only the prediction ignores is missed, or an image could gain by ignoring. The truth must not be 255 all over.
    """
    matrix = confusion_matrix(truth, prediction, classes)
    hits, held, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)[:-1]
    present = held > 0
    return 100 * float((hits[present] / (held + predicted - hits)[present]).mean())


def score_complex(dataset, split, before, after):
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


def gain(row):
    """By how much an (id, before, after) gains; rounded, so that equal gains tie whatever their last bits."""
    return round(row[2] - row[1], 6)


def choose(scored, count):
    """The rows of the figure: the count/2 largest gains and, of the rest, the count/2 largest losses.

    scored: list of (id, before, after) in the list's order. Returns such a list, the largest gain first, the largest
    loss last; all of `scored` if it has no more than `count`.
    """
    gains = sorted(scored, key=gain, reverse=True)[: count // 2]
    losses = sorted((row for row in scored if row not in gains), key=gain)[: count // 2]
    return sorted(gains + losses, key=gain, reverse=True)  # stable, as the two before: ties stay in the list's order


def columns(dataset, run, before, after):
    """The figure's columns, {title: function of an id}; each gives uint8 (H, W, 3), or raises InputError.

    Raises InputError at once if a folder of the run is missing, not after minutes of scoring.
    """
    palette = np.array(VOC_PALETTE, np.uint8).reshape(256, 3)

    def labels(folder):
        if not (run / folder).is_dir():
            raise InputError(f"{run / folder}: no such folder")
        return lambda id: palette[dataset.checked_label(run / folder / f"{id}.png", id)]

    return {
        "image": lambda id: dataset.image(id) & 0xFC,  # noise in the two low bits only swells the PNG
        "ground truth": lambda id: palette[dataset.ground_truth(id)],
        "saliency": lambda id: np.repeat(dataset.saliency(id)[..., None], 3, axis=2),
        "initial label": labels("label_initial"),
        "pseudo label": labels("label_pseudo"),
        "initial prediction": labels(before),
        "masked label": labels("label_masked"),
        "final prediction": labels(after),
    }


def fitted(size):
    """(width, height) of a picture of `size` = (H, W) that fills CELL as far as its aspect allows."""
    height, width = size
    scale = min(CELL[0] / width, CELL[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw(rows, columns):
    """The figure as a Pillow image, RGB.

    rows: list of (text on the left, id, (H, W)); columns: {title: function of an id} as `columns` gives them.
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
    for row, ((text, id, _), size) in enumerate(zip(rows, sizes)):
        y = top + row * (line + GAP)
        pen.multiline_text((left // 2, y + line // 2), text, "black", font, anchor="mm", align="center")
        for column, picture in enumerate(columns.values()):
            x = left + column * (cell + GAP)
            image = Image.fromarray(picture(id)).resize(size, Image.Resampling.NEAREST)
            figure.paste(image, (x + (cell - size[0]) // 2, y + (line - size[1]) // 2))
    return figure


def main(args):
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

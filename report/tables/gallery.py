"""Draw single images through the stages of a run, like the paper's Figure 5, and print which were chosen.

One row per image: image, ground truth, saliency if the data set has it, the run's labels (folders label_*, further
rules last) and predictions, with a legend below. Of the split's complex images (two or more classes), it shows the
count/2 whose mIoU gains most from --before to --after and the count/2 that lose most, or all if there are fewer,
sorted from the largest gain to the largest loss; ties keep the list's order.
"""

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.files.dataset import DataSet, Item
from common.files.images import IGNORE_INDEX, VOC_COLOURS, legend
from evaluate.scores import image_miou
from report.tables.labels import further_labels
from stages.arguments import checked
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, atomic, check_output

CELL = (256, 192)  # the most that a picture takes, width and height
GAP, FONT_SIZE = 6, 20

Scored = tuple[str, float, float]  # id, mIoU before and after, in percent
Picture = Callable[[str], np.ndarray]  # from an id to a picture, uint8 (H, W, 3)
Columns = dict[str, Picture]  # by their titles
EVEN = checked(int, lambda count: count in range(2, 1001, 2), "an even number from 2 to 1000")


def picture_parser(doc: str, count: int, counted: str = "number of images, even") -> argparse.ArgumentParser:
    """Parser of a figure of `count` chosen images of a run; doc: the command's docstring; counted: help of --count."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=doc, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder")
    parser.add_argument("--split", required=True, help="list of the data set: lists/<split>.txt")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--out", type=Path, required=True, help="output PNG")
    parser.add_argument("--count", type=EVEN, default=count, help=counted)
    return parser


def parser() -> argparse.ArgumentParser:
    parser = picture_parser(__doc__, count=8)
    parser.add_argument("--before", default="pred1", help="initial predictions, a folder in <run>")
    parser.add_argument("--after", default="pred2", help="final predictions, a folder in <run>")
    return parser


def score(dataset: DataSet, items: list[Item], before: Path, after: Path) -> list[Scored]:
    """The images as a list of (id, mIoU before, mIoU after), percent, in the order of `items`.

    before, after: folders of <id>.png. Images whose ground truth is 255 all over are left out, they have no score.
    Raises InputError if a file is missing or unusable.
    """
    scored = []
    for item in items:
        truth = dataset.ground_truth(item.id)
        predictions = [dataset.checked_label(folder / f"{item.id}.png", item.id) for folder in (before, after)]
        if (truth != IGNORE_INDEX).any():
            scored.append((item.id, *(image_miou(truth, each, len(dataset.classes)) for each in predictions)))
    return scored


def score_complex(dataset: DataSet, split: str, before: Path, after: Path) -> list[Scored]:
    """As `score`, the complex images of a split in the list's order. Raises InputError if none has a score."""
    scored = score(dataset, [item for item in dataset.split(split) if len(item.classes) > 1], before, after)
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


def columns(dataset: DataSet, run: Path, before: str, after: str) -> Columns:
    """The figure's columns; the functions raise InputError where a picture is missing or unusable.

    Labels of a rule that the run does without have no column, and neither has saliency that the data set lacks. Raises
    InputError at once if there are no predictions `before` or `after`, not after minutes of scoring.
    """
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
    there = {title: name for title, name in folders.items() if name in (before, after) or (run / name).is_dir()}
    pictures = {"image": photograph(dataset), "ground truth": ground_truth(dataset)}
    if (dataset.root / "saliency").is_dir():
        pictures["saliency"] = lambda id: np.repeat(dataset.saliency(id)[..., None], 3, axis=2)
    return pictures | {title: coloured(dataset, run / name) for title, name in there.items()}


def fitted(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture of `size` = (H, W) that fills CELL as far as its aspect allows."""
    height, width = size
    scale = min(CELL[0] / width, CELL[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def figure_font() -> ImageFont.FreeTypeFont:
    """Pillow's own font has no arrow; matplotlib brings one that does."""
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", FONT_SIZE)


def draw(
    rows: list[tuple[str, str, tuple[int, int]]], columns: Columns, captions: dict[tuple[str, str], str] | None = None
) -> Image.Image:
    """The figure as a Pillow image, RGB.

    rows: list of (text on the left, id, (H, W)); columns: as `columns` gives them; captions: {(id, title): text below
    that picture}. Pictures are enlarged and shrunk by nearest neighbour, so that labels keep their colours.
    """
    font = figure_font()
    sizes = [fitted(size) for *_, size in rows]
    cell = max(*(width for width, _ in sizes), *(int(font.getlength(title)) + 1 for title in columns))
    line = max(3 * FONT_SIZE, *(height for _, height in sizes))  # room for two lines of text
    below = FONT_SIZE + GAP if captions else 0
    left = max(int(font.getlength(part)) + 1 for text, *_ in rows for part in text.splitlines()) + 2 * GAP
    top = FONT_SIZE + 2 * GAP
    figure = Image.new("RGB", (left + len(columns) * (cell + GAP), top + len(rows) * (line + below + GAP)), "white")
    pen = ImageDraw.Draw(figure)
    for column, title in enumerate(columns):
        pen.text((left + column * (cell + GAP) + cell // 2, top // 2), title, "black", font, anchor="mm")
    for row, ((text, id, _), size) in enumerate(zip(rows, sizes, strict=True)):
        y = top + row * (line + below + GAP)
        pen.multiline_text((left // 2, y + line // 2), text, "black", font, anchor="mm", align="center")
        for column, (title, picture) in enumerate(columns.items()):
            x = left + column * (cell + GAP)
            image = Image.fromarray(picture(id)).resize(size, Image.Resampling.NEAREST)
            figure.paste(image, (x + (cell - size[0]) // 2, y + (line - size[1]) // 2))
            if captions:
                place = (x + cell // 2, y + (line + size[1]) // 2 + below // 2)
                pen.text(place, captions.get((id, title), ""), "black", font, anchor="mm")
    return figure


def with_legend(figure: Image.Image, classes: list[str], note: str = "") -> Image.Image:
    """The figure with what the colours of its labels mean below it, for C foreground `classes`, and a `note`."""
    font, step = figure_font(), FONT_SIZE + 2 * GAP
    x, y, places = GAP, figure.height + GAP, []
    for name, colour in [("background", "#000000"), *legend(classes)]:
        width = int(FONT_SIZE + GAP + font.getlength(name) + 3 * GAP)
        if x > GAP and x + width > figure.width:
            x, y = GAP, y + step
        places.append((x, y, name, colour))
        x += width
    lines = textwrap.wrap(note, max(20, int(len(note) * (figure.width - 4 * GAP) / max(1, font.getlength(note)))))
    whole = Image.new("RGB", (figure.width, y + step + len(lines) * step), "white")
    whole.paste(figure, (0, 0))
    pen = ImageDraw.Draw(whole)
    for x, y, name, colour in places:
        pen.rectangle((x, y, x + FONT_SIZE, y + FONT_SIZE), colour, outline="grey")
        pen.text((x + FONT_SIZE + GAP, y + FONT_SIZE // 2), name, "black", font, anchor="lm")
    for number, text in enumerate(lines, 1):
        pen.text((GAP, y + number * step + FONT_SIZE // 2), text, "black", font, anchor="lm")
    return whole


def check_figure(out: Path, *folders: Path) -> None:
    """Raises InputError unless a figure can be written at `out`, outside of the `folders`, which are read."""
    check_output(out)
    for folder in folders:
        if folder.resolve() in out.resolve().parents:
            raise InputError(f"{out}: expected a file outside of {folder}, which is read")


def write_figure(out: Path, figure: Image.Image) -> None:
    """Write it as a PNG."""
    with atomic(out) as partial:
        figure.save(partial, format="PNG", optimize=True)


def main(args: argparse.Namespace) -> None:
    """Choose the images, write the figure, print the choice."""
    before, after = args.run / args.before, args.run / args.after
    check_figure(args.out, args.data, before, after)
    dataset = DataSet(args.data)
    pictures = columns(dataset, args.run, args.before, args.after)
    chosen = choose(score_complex(dataset, args.split, before, after), args.count)
    values = {id: f"{before:.1f} → {after:.1f}" for id, before, after in chosen}
    figure = draw([(f"{id}\n{text}", id, dataset.image_size(id)) for id, text in values.items()], pictures)
    write_figure(args.out, with_legend(figure, dataset.classes))
    print(*(f"{id} {text}" for id, text in values.items()), sep="\n")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
